//! What a client sends where a VirtualService takes the call.

use std::sync::Arc;

use crate::intent::call::{Call, Led};
use crate::intent::pair::Question;
use crate::intent::via::{Action, Leg, Via};
use crate::intent::virtual_service::Routing;
use crate::intent::{host, originates};
use crate::model::derivation::{Effect, Layer, PolicyKind, PolicyRef, Step};
use crate::model::pair::{OriginKind, OriginMode, Originates, Route};
use crate::model::virtual_service::VirtualService;
use crate::model::wire::Wire;

/// The destination whose story is told: the first that refuses, else the first.
pub(super) fn lead<'a, 's>(call: &'a Call<'s>) -> Option<&'a Led<'s>> {
    call.legs.iter().find(|leg| leg.outcome.wire == Wire::Refused).or_else(|| call.legs.first())
}

// === impl Question ===

impl<'s> Question<'_, 's> {
    /// What the destinations of a VirtualService get; their own rules decide, the VirtualService says where.
    pub(super) fn originates_via(&self, via: &Via<'s>, call: &Call<'s>) -> Originates {
        let route = call.route.clone().unwrap_or(match call.legs.as_slice() {
            [leg] => Route::Cluster(leg.name.clone()),
            _ => Route::Direct,
        });
        let led = lead(call).and_then(|leg| leg.found.as_ref().map(|found| (leg, found)));
        let mut originates = match led {
            Some((leg, (svc, cluster))) => {
                let kind = originates::kind(cluster, &leg.sends);
                self.by_cluster(cluster, kind, svc)
            }
            None => undelivered(via),
        };
        for leg in &call.legs {
            let Some((svc, cluster)) = &leg.found else { continue };
            let kind = originates::kind(cluster, &leg.sends);
            let other = self.by_cluster(cluster, kind, svc);
            if other.kind != originates.kind && !leg.sends.is_empty() {
                originates.kind = OriginKind::Mixed;
            }
            for step in other.layers {
                if !originates.layers.iter().any(|held| held.policy == step.policy && held.says == step.says) {
                    originates.layers.push(step);
                }
            }
        }
        let effect = if led.is_some() { Effect::Inherited } else { Effect::Effective };
        let missing = call.legs.iter().find(|leg| leg.found.is_none());
        originates.layers.push(Step {
            policy: reference(via.object, &via.field),
            says: says(&via.action),
            effect,
            why: missing.map(|leg| format!("the client's proxy has no cluster {}", leg.name)),
        });
        originates.layers.extend(via.others.iter().map(|other| Step {
            policy: reference(other.object, &other.field),
            says: says(&other.action),
            effect: Effect::Ignored,
            why: Some("it takes other requests than a plain GET /".to_owned()),
        }));
        Originates { route, ..originates }
    }
}

// === impl Question, what lost ===

impl<'s> Question<'_, 's> {
    /// VirtualServices that name the host and do not take the call, each with why.
    pub(super) fn unused_routings(&self, via: Option<&Via<'s>>) -> Vec<Step> {
        let ignored = |object: &VirtualService, why: String| Step {
            policy: reference(object, "spec.hosts"),
            says: "routes of its own".to_owned(),
            effect: Effect::Ignored,
            why: Some(why),
        };
        let (index, host) = (&self.plane.virtual_services, &self.svc.host);
        let unused = index.covering(host).filter(|routing| via.is_none_or(|via| via.root != routing.object));
        let mut steps: Vec<Step> =
            unused.map(|routing| ignored(routing.object, self.why_unused(routing, via))).collect();
        let domain = &self.plane.profile.config.cluster_domain;
        steps.extend(self.plane.unseen_routings.iter().filter_map(|(object, why)| {
            let full = |name: &String| host::qualify(name, &object.meta.namespace, domain);
            let names = object.hosts.iter().map(full).any(|name| host::meets(&name, host));
            names.then(|| ignored(object, why.clone()))
        }));
        steps
    }

    fn why_unused(&self, routing: &Arc<Routing<'s>>, via: Option<&Via<'s>>) -> String {
        let own = &self.client.meta.namespace;
        if !routing.object.is_for_mesh() {
            return format!("it is for gateways only: {}", routing.object.gateways.join(", "));
        }
        if !routing.is_visible_to(own) {
            return format!("exportTo does not reach namespace `{own}`");
        }
        let scope = self.mesh.scope(self.client, self.plane);
        if !scope.egress.iter().any(|egress| egress.routings.has(routing)) {
            return "the client's Sidecar does not import it".to_owned();
        }
        match via {
            Some(via) => format!("`{}` for the same host is read first", via.root.meta.key()),
            None => "none of its routes is for this client and port".to_owned(),
        }
    }
}

/// Nothing is sent: the VirtualService answers, or leads nowhere.
fn undelivered(via: &Via<'_>) -> Originates {
    Originates {
        kind: OriginKind::Plaintext,
        mode: OriginMode::Auto,
        route: Route::Direct,
        tls: None,
        original_dst: false,
        decided_by: reference(via.object, &via.field),
        layers: Vec::new(),
    }
}

fn reference(object: &VirtualService, field: &str) -> PolicyRef {
    PolicyRef::object(Layer::Route, PolicyKind::VirtualService, &object.meta, field)
}

/// What a rule does, in words.
fn says(action: &Action) -> String {
    match action {
        Action::Answer { status, how } => format!("answers {status} ({how})"),
        Action::Nothing => "no rule takes a plain GET /".to_owned(),
        Action::Forward { legs, abort } => {
            let total: u32 = legs.iter().map(|leg| leg.weight).sum();
            let share = |leg: &Leg| if legs.len() > 1 { format!(" {}/{total}", leg.weight) } else { String::new() };
            let to: Vec<String> = legs.iter().map(|leg| format!("{}{}", place(leg), share(leg))).collect();
            let aborted = abort.map(|abort| {
                format!("; {}% are answered {} (fault.abort)", f64::from(abort.per_million) / 10_000.0, abort.status)
            });
            format!("routes to {}{}", to.join(", "), aborted.unwrap_or_default())
        }
    }
}

fn place(leg: &Leg) -> String {
    let port = leg.port.map(|port| format!(":{port}")).unwrap_or_default();
    let subset = leg.subset.as_ref().map(|subset| format!(" subset {subset}")).unwrap_or_default();
    format!("{}{port}{subset}", leg.host)
}

/// The pair's sentence, with the VirtualService before it where one took the call.
pub(super) fn sentence(call: &Call<'_>, of_pair: String) -> String {
    match &call.via {
        None => of_pair,
        Some(via) => {
            let by = reference(via.object, &via.field).short();
            format!("{by} {}: {of_pair}", says(&via.action))
        }
    }
}
