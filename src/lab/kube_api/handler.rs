//! From a request to its answer.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;

use crate::lab::kube_api::body::{self, Body, Reply};
use crate::lab::kube_api::exec::{self, Exec};
use crate::lab::kube_api::query::Query;
use crate::lab::kube_api::rbac::{Attributes, Caller};
use crate::lab::kube_api::route::{Route, Target};
use crate::lab::kube_api::status::Refusal;
use crate::lab::kube_api::view::View;
use crate::lab::kube_api::write::Writer;
use crate::lab::kube_api::{Server, delete, discovery, ephemeral, patch, port_forward, read, review, scale, watching};
use crate::lab::store::kinds::{Access, NAMESPACE, POD};

/// Answers one request.
pub(crate) async fn handle<E: Exec>(server: &Arc<Server<E>>, request: Request<Incoming>) -> Response<Body> {
    let answered = answer(server, request).await;
    answered.unwrap_or_else(|refusal| body::refusal(&refusal))
}

async fn answer<E: Exec>(server: &Arc<Server<E>>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let route = Route::of(request.uri().path());
    if route == Route::Health {
        return Ok(body::text("ok"));
    }
    authenticate(request.headers(), &server.token)?;
    let caller = Caller::of(request.headers());
    match route {
        Route::Health => Ok(body::text("ok")),
        Route::Objects(target) => objects(server, &caller, target, request).await,
        Route::Unknown => Err(Refusal::no_such_path()),
        Route::Version
        | Route::CoreVersions
        | Route::Groups
        | Route::Group(_)
        | Route::Resources(..)
        | Route::OpenApiV2
        | Route::OpenApiV3(_) => discovery::answer(&route, accepts(request.headers())),
    }
}

fn authenticate(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = given.and_then(|given| given.strip_prefix("Bearer "));
    if bearer == Some(token) { Ok(()) } else { Err(Refusal::unauthorized()) }
}

async fn objects<E: Exec>(
    server: &Arc<Server<E>>,
    caller: &Caller,
    target: Target,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query());
    for verb in verbs(&target, request.method(), &query) {
        authorize(server, caller, &target, verb)?;
    }
    match target.subresource.as_deref() {
        Some("exec") if target.kind == &POD => return exec::answer(server, &target, &query, request),
        Some("portforward") if target.kind == &POD => return port_forward::answer(server, &target, &query, request),
        Some("log") if target.kind == &POD => {
            return Err(Refusal::not_implemented("the lab keeps no logs of its pods"));
        }
        Some("ephemeralcontainers") if target.kind == &POD => return added(server, &target, request).await,
        Some("scale") if scale::has(target.kind) => return scaled(server, &target, &query, request).await,
        None | Some("status") => {}
        Some(_) => return Err(Refusal::no_such_path()),
    }
    if *request.method() == Method::GET {
        return read(server, &target, &query, request.headers());
    }
    let (head, body) = request.into_parts();
    let options = query.write_options()?;
    let bytes = body::read(body).await?;
    let agent = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let writer = Writer::new(&server.store, &target, options, agent);
    let reply = match (target.kind.access, &head.method) {
        (Access::Review, &Method::POST) => {
            review::answer(&server.store, caller, &target, body::parse(&head.headers, &bytes)?)
        }
        (Access::Review, _) => Err(Refusal::method_not_allowed()),
        (_, &Method::POST) => writer.create(body::parse(&head.headers, &bytes)?),
        (_, &Method::PUT) => writer.replace(body::parse(&head.headers, &bytes)?),
        (_, &Method::PATCH) => writer.patch(&patch::Patch::parse(&head.headers, &bytes)?),
        (_, &Method::DELETE) => delete::delete(&server.store, &target, &query, &bytes),
        _ => Err(Refusal::method_not_allowed()),
    };
    reply.map(Reply::into_response)
}

fn read<E>(server: &Server<E>, target: &Target, query: &Query, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let options = query.list_options()?;
    let view = View::of(accepts(headers), query);
    if options.watch {
        watching::answer(server, target, options, view)
    } else {
        read::answer(&server.store, target, &options, view).map(Reply::into_response)
    }
}

async fn scaled<E>(
    server: &Server<E>,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let dry_run = query.write_options()?.dry_run;
    let bytes = body::read(body).await?;
    let change = match head.method {
        Method::GET => return scale::get(&server.store, target).map(Reply::into_response),
        Method::PUT => scale::Change::Replace(body::parse(&head.headers, &bytes)?),
        Method::PATCH => scale::Change::Patch(patch::Patch::parse(&head.headers, &bytes)?),
        _ => return Err(Refusal::method_not_allowed()),
    };
    scale::change(&server.store, target, &change, dry_run).map(Reply::into_response)
}

async fn added<E>(server: &Server<E>, target: &Target, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let bytes = body::read(body).await?;
    match head.method {
        Method::PATCH => {
            let patch = patch::Patch::parse(&head.headers, &bytes)?;
            ephemeral::patch(&server.store, target, &patch).map(Reply::into_response)
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// Whether the caller may. Kubernetes asks this before it looks whether the object exists.
fn authorize<E>(server: &Server<E>, caller: &Caller, target: &Target, verb: &str) -> Result<(), Refusal> {
    let resource = match &target.subresource {
        Some(part) => format!("{}/{part}", target.kind.plural),
        None => target.kind.plural.to_owned(),
    };
    let asked = Attributes {
        verb,
        group: target.kind.group,
        resource: &resource,
        // A Role may allow to read the namespace that it is in.
        namespace: target.namespace.as_deref().or_else(|| target.name.as_deref().filter(|_| target.kind == &NAMESPACE)),
        name: target.name.as_deref(),
    };
    if caller.may(&server.store, &asked) { Ok(()) } else { Err(Refusal::forbidden(target.kind, &asked, &caller.user)) }
}

/// The verbs that a request needs.
fn verbs(target: &Target, method: &Method, query: &Query) -> &'static [&'static str] {
    if matches!(target.subresource.as_deref(), Some("exec" | "portforward" | "attach")) {
        // What a WebSocket does is more than its GET: since Kubernetes 1.35 both are asked for
        // (feature gate AuthorizePodWebsocketUpgradeCreatePermission, kubernetes#134577).
        return &["get", "create"];
    }
    match (method, &target.name) {
        (&Method::GET, _) if query.flag("watch") => &["watch"],
        (&Method::GET, Some(_)) => &["get"],
        (&Method::GET, None) => &["list"],
        (&Method::POST, _) => &["create"],
        (&Method::PUT, _) => &["update"],
        (&Method::PATCH, _) => &["patch"],
        (_, Some(_)) => &["delete"],
        (_, None) => &["deletecollection"],
    }
}

/// The `Accept` header.
fn accepts(headers: &HeaderMap) -> &str {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
