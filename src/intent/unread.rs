//! What could not be read and would decide: an answer that rests on it is unknown, never the default.

use crate::intent::mesh::Mesh;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Source, Svc};
use crate::model::pair::{OriginMode, Originates};
use crate::model::snapshot::UnseenScope;
use crate::model::wire::Sends;
use crate::model::workload::{Pod, ProxyKind};

/// Kinds by their plural resource names.
const PEER_AUTHENTICATIONS: &str = "peerauthentications";
const DESTINATION_RULES: &str = "destinationrules";
const SIDECARS: &str = "sidecars";
const VIRTUAL_SERVICES: &str = "virtualservices";
const PODS: &str = "pods";
const ENDPOINT_SLICES: &str = "endpointslices";

/// Looks up what could not be listed.
#[derive(Clone, Copy)]
pub(crate) struct Unread<'a, 's> {
    pub(crate) mesh: &'a Mesh<'s>,
    pub(crate) plane: &'a ControlPlane<'s>,
}

// === impl Unread ===

impl<'s> Unread<'_, 's> {
    /// What is missing to tell what is behind a service.
    pub(crate) fn of_service(self, svc: &Svc<'s>) -> Option<&'s UnseenScope> {
        let Source::Kubernetes(service) = svc.source else { return None };
        // Where slices are missing, endpoints follow from the selector and the pods.
        let selects = service.selector.as_ref().is_some_and(|selector| !selector.is_empty());
        let slices = || if selects { None } else { self.missing(ENDPOINT_SLICES, svc.namespace()) };
        self.missing(PODS, svc.namespace()).or_else(slices)
    }

    /// What is missing to tell what a client's proxy was told.
    pub(crate) fn of_client(self, client: &Pod, originates: &Originates, svc: &Svc<'s>) -> Option<&'s UnseenScope> {
        if originates.mode == OriginMode::NoProxy {
            return None;
        }
        let own = client.meta.namespace.as_str();
        let sidecar = || match self.plane.sidecar(own, &client.meta.labels) {
            Some(sidecar) if sidecar.meta.namespace == own => self.missing(SIDECARS, own),
            Some(_) | None => self.missing(SIDECARS, own).or_else(|| self.missing(SIDECARS, self.plane.root())),
        };
        let ruled_at = originates
            .layers
            .iter()
            .find(|step| step.policy == originates.decided_by)
            .and_then(|step| step.policy.namespace.as_deref())
            .filter(|_| originates.mode != OriginMode::Auto);
        // Rules are looked up in this order and the first hit wins.
        let order = [own, svc.namespace(), self.plane.root()];
        let until = ruled_at.and_then(|found| order.iter().position(|namespace| *namespace == found)).unwrap_or(2);
        let rule = || order.iter().take(until + 1).find_map(|namespace| self.missing(DESTINATION_RULES, namespace));
        let guessed = || {
            let plain = originates.mode == OriginMode::Auto && !svc.external;
            if plain { self.mode_of_namespace(svc.namespace()) } else { None }
        };
        // Routes usually stand beside the client or the service; those of third namespaces are not waited for.
        let routes =
            || [own, svc.namespace()].into_iter().find_map(|namespace| self.missing(VIRTUAL_SERVICES, namespace));
        sidecar().or_else(routes).or_else(rule).or_else(guessed)
    }

    /// What is missing to tell what a pod accepts.
    pub(crate) fn of_server(self, pod: &Pod, sends: Option<Sends>) -> Option<&'s UnseenScope> {
        if pod.proxy != ProxyKind::Sidecar || sends.is_none() {
            return None;
        }
        let plane = self.mesh.plane(pod).unwrap_or(self.plane);
        let own = self.missing(PEER_AUTHENTICATIONS, &pod.meta.namespace);
        let composed = plane.peer_authentications.compose(&pod.meta.namespace, &pod.meta.labels);
        let settled = composed.set_by.is_some_and(|policy| policy.meta.namespace != plane.root());
        let root = || if settled { None } else { self.missing(PEER_AUTHENTICATIONS, plane.root()) };
        let classes = || self.missing(SIDECARS, &pod.meta.namespace);
        own.or_else(root).or_else(classes)
    }

    /// What is missing to tell the mode that clients assume for a namespace.
    fn mode_of_namespace(self, namespace: &str) -> Option<&'s UnseenScope> {
        let settled = self.plane.peer_authentications.namespace(namespace).is_some_and(|policy| policy.mode.is_some());
        let root = || if settled { None } else { self.missing(PEER_AUTHENTICATIONS, self.plane.root()) };
        self.missing(PEER_AUTHENTICATIONS, namespace).or_else(root)
    }

    fn missing(self, plural: &str, namespace: &str) -> Option<&'s UnseenScope> {
        self.mesh.snapshot.unseen.iter().find(|scope| {
            let kind = scope.resource.split('.').next() == Some(plural);
            kind && scope.covers(namespace)
        })
    }
}

/// The same in words.
pub(crate) fn sentence(scope: &UnseenScope, by_the_rest: &str) -> String {
    let place = scope.namespace.as_ref().map(|name| format!(" of namespace `{name}`")).unwrap_or_default();
    format!("`{}`{place} could not be listed ({}); by the rest: {by_the_rest}", scope.resource, scope.look.why)
}
