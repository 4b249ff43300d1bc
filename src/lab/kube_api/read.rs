//! GET of one object, and lists.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::query::ListOptions;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::kube_api::view::View;
use crate::lab::store::kinds::Access;
use crate::lab::store::{Key, Store, object};

/// Answers a GET that is no watch.
pub fn answer(store: &Store, target: &Target, options: &ListOptions, view: View) -> Result<Reply, Refusal> {
    if target.kind.access == Access::Review {
        return Err(Refusal::method_not_allowed());
    }
    match &target.name {
        Some(name) => one(store, target, name).map(|object| Reply::ok(view.one(object))),
        None => list(store, target, options).map(|list| Reply::ok(view.list(list))),
    }
}

/// One object, in the version asked for.
pub fn one(store: &Store, target: &Target, name: &str) -> Result<Value, Refusal> {
    let key = Key::new(target.kind, target.namespace.as_deref().unwrap_or_default(), name);
    let found = store.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
    Ok(in_version(&found, target))
}

fn list(store: &Store, target: &Target, options: &ListOptions) -> Result<Value, Refusal> {
    let now = store.list(target.kind, target.namespace.as_deref());
    let page = Page::parse(options)?;
    let revision = page.as_ref().map_or(now.revision, |page| page.revision);
    let matching: Vec<_> = now
        .objects
        .iter()
        .filter(|object| page.as_ref().is_none_or(|page| position(object) > page.after.as_str().into()))
        .filter(|object| options.selector.matches(object))
        .collect();
    // A server that answers from its cache ignores the limit at `resourceVersion=0`.
    let limit = options.limit.filter(|_| options.resource_version != "0").unwrap_or(usize::MAX);
    let items: Vec<Value> = matching.iter().take(limit).map(|object| in_version(object, target)).collect();
    let remaining = matching.len() - items.len();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if remaining > 0
        && let Some(last) = items.last()
    {
        let after = position(last).0;
        object::set(&mut metadata, &["continue"], Page { revision, after }.token());
        object::set(&mut metadata, &["remainingItemCount"], remaining);
    }
    Ok(json!({
        "kind": format!("{}List", target.kind.kind), "apiVersion": target.kind.api_version(&target.version),
        "metadata": metadata, "items": items,
    }))
}

/// An object as it reads in the version asked for.
#[must_use]
pub fn in_version(object: &Value, target: &Target) -> Value {
    let mut object = object.clone();
    object::set(&mut object, &["apiVersion"], target.kind.api_version(&target.version));
    object
}

/// Where the next page begins.
struct Page {
    /// The revision of the first page.
    revision: u64,
    /// The position of the last object before it.
    after: String,
}

/// Place of an object in a list: namespace, then name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Position(String);

fn position(object: &Value) -> Position {
    // `/` would sort `a-b/c` before `a/c`; no name contains NUL.
    Position(format!("{}\0{}", object::namespace(object), object::name(object)))
}

// === impl Position ===

impl From<&str> for Position {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

// === impl Page ===

impl Page {
    fn token(&self) -> String {
        let token = json!({ "v": "meta.k8s.io/v1", "rv": self.revision, "start": self.after });
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn parse(options: &ListOptions) -> Result<Option<Self>, Refusal> {
        if options.continue_token.is_empty() {
            return Ok(None);
        }
        let refuse = || Refusal::bad_request("continue key is not valid: encoded value was not a token of this server");
        let bytes = URL_SAFE_NO_PAD.decode(&options.continue_token).map_err(|_| refuse())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| refuse())?;
        let revision = token.get("rv").and_then(Value::as_u64).ok_or_else(refuse)?;
        Ok(Some(Self { revision, after: object::text(&token, "/start").to_owned() }))
    }
}
