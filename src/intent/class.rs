//! Clients that get the same answer from a service port: computed once, shared by all of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::intent::capture::is_proxy_user;
use crate::intent::client::selecting_keys;
use crate::intent::mesh::{Mesh, address};
use crate::intent::pair::Question;
use crate::intent::registry::{Discovery, Svc};
use crate::model::pair::PairIntent;
use crate::model::port::ServicePort;
use crate::model::snapshot::Snapshot;
use crate::model::virtual_service::VirtualService;
use crate::model::workload::{Capture, Pod, ProxyKind};

/// Answers by client class and service port.
#[derive(Debug)]
pub(crate) struct Classes<'s> {
    /// Labels that some object selects clients by.
    keys: Vec<&'s str>,
    /// Whether rules exist that another service's cluster could have, and not the one that is dialled.
    rules: bool,
    /// Whether a ServiceEntry claims addresses that a Service may have too, or a route whole subnets of them.
    claims: bool,
    answers: Mutex<FxHashMap<Key<'s>, Arc<PairIntent>>>,
}

/// Everything that an answer depends on. Objects are told apart by where they are in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key<'s> {
    svc: usize,
    port: ServicePort,
    proxy: ProxyKind,
    /// The control plane and what the client sees, where it has a proxy.
    view: Option<(usize, usize)>,
    /// Where rules for the host speak of clients, or something could not be read: who the client is.
    speaker: Option<(&'s str, Vec<Option<&'s str>>)>,
}

/// Beyond this many answers they are forgotten and made anew.
const MOST: usize = 50_000;

// === impl Classes ===

impl<'s> Classes<'s> {
    /// Nothing is known yet.
    pub(crate) fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            keys: selecting_keys(snapshot).into_iter().collect(),
            rules: !snapshot.destination_rules.is_empty() || !snapshot.virtual_services.is_empty(),
            claims: snapshot.service_entries.iter().any(|entry| !entry.addresses.is_empty())
                || snapshot.virtual_services.iter().any(claims_subnets),
            answers: Mutex::default(),
        }
    }

    /// The answer, shared by every client that gets the same.
    pub(crate) fn answer(&self, mesh: &Mesh<'s>, question: &Question<'_, 's>) -> Arc<PairIntent> {
        let Some(key) = self.key(mesh, question) else {
            return Arc::new(question.answer_for(None));
        };
        let found = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        match found {
            Some(found) if !is_endpoint(&found, question.client) => return found,
            Some(_) => return Arc::new(question.answer_for(None)),
            None => {}
        }
        let made = Arc::new(question.answer_for(None));
        if is_endpoint(&made, question.client) {
            return made;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.clear();
        }
        Arc::clone(answers.entry(key).or_insert(made))
    }

    /// Whether a call may be taken by the listener of another service, whose rules then count: one that is dialled by the
    /// addresses of its pods, or by an address that a ServiceEntry claims as well.
    fn may_leave_by_another(&self, svc: &Svc<'_>) -> bool {
        let alone = svc.is_kubernetes() && svc.discovery == Discovery::Listed && !self.claims;
        self.rules && !alone
    }

    /// The class of a question; `None` where the client is like no other: it serves the port itself, or
    /// may bypass its proxy.
    fn key(&self, mesh: &Mesh<'s>, question: &Question<'_, 's>) -> Option<Key<'s>> {
        let Question { client, svc, port, plane, .. } = *question;
        let behind = mesh.endpoints_at(mesh.behind(svc), port.port);
        let serves = behind.iter().any(|endpoint| endpoint.pod.is_some_and(|pod| std::ptr::eq(pod, client)));
        if serves || !is_ordinary(client) {
            return None;
        }
        let proxied = match client.proxy {
            ProxyKind::None | ProxyKind::Proxyless => false,
            ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Unknown => {
                true
            }
        };
        // Another name has the rules of what it leads to, and a VirtualService may lead to services with rules of their own.
        let ruled = |svc: &Svc<'_>| {
            plane.destination_rules.covering(&svc.host).next().is_some()
                || plane.virtual_services.covering(&svc.host).next().is_some()
        };
        let told_apart = !mesh.snapshot.unseen.is_empty()
            || ruled(svc)
            || ruled(mesh.behind(svc))
            || self.may_leave_by_another(mesh.behind(svc))
            || client.meta.label("topology.istio.io/network").is_some();
        Some(Key {
            svc: address(svc.as_ref()),
            port: port.port,
            proxy: client.proxy,
            view: proxied.then(|| (address(plane), address(mesh.scope(client, plane).as_ref()))),
            speaker: (proxied && told_apart).then(|| {
                let labels = self.keys.iter().map(|key| client.meta.label(key)).collect();
                (client.meta.namespace.as_str(), labels)
            }),
        })
    }

    /// Who is told apart by the rules for a service port.
    ///
    /// Rules for the host are looked up by the client's namespace and by the namespaces that they are exported to, and their
    /// selectors hold in their own namespace only. A VirtualService may lead to services with rules of their own.
    pub(crate) fn apart<'a>(&self, question: &Question<'a, '_>) -> Apart<'a> {
        let Question { mesh, plane, svc, .. } = *question;
        if self.may_leave_by_another(svc) || self.may_leave_by_another(mesh.behind(svc)) {
            return Apart::Everyone;
        }
        let mut namespaces: BTreeSet<&str> = BTreeSet::new();
        for svc in [svc, mesh.behind(svc)] {
            if plane.virtual_services.covering(&svc.host).next().is_some() {
                return Apart::Everyone;
            }
            for rule in plane.destination_rules.covering(&svc.host) {
                namespaces.insert(&rule.meta.namespace);
                namespaces.extend(rule.export_to.iter().map(String::as_str));
            }
        }
        let unseen = &mesh.snapshot.unseen;
        let told_apart = unseen.iter().flat_map(|scope| scope.namespace.iter().chain(&scope.but));
        namespaces.extend(told_apart.map(String::as_str));
        if namespaces.is_empty() && unseen.is_empty() {
            return Apart::Nobody;
        }
        namespaces.extend([svc.namespace(), plane.root()]);
        Apart::Of(namespaces)
    }
}

/// Whose answers from a service port may differ from those of clients that are like them in all but namespace and labels.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Apart<'a> {
    /// Nobody's.
    Nobody,
    /// Clients of these namespaces.
    Of(BTreeSet<&'a str>),
    /// Everybody's.
    Everyone,
}

/// Whether it takes connections by their destination, whatever service is there.
fn claims_subnets(object: &VirtualService) -> bool {
    object.tcp.iter().chain(&object.tls).flat_map(|rule| &rule.matches).any(|item| !item.subnets.is_empty())
}

/// Whether nothing about the pod itself changes which connections its proxy sees.
fn is_ordinary(client: &Pod) -> bool {
    !client.host_network && !is_proxy_user(client) && client.capture == Capture::default()
}

/// Whether the client is among the endpoints of an answer, which is then its own: a pod does not count as its own server.
///
/// A call may leave by another service's cluster, so this is more than the endpoints of the service that was asked about.
fn is_endpoint(answer: &PairIntent, client: &Pod) -> bool {
    let (namespace, name) = (&client.meta.namespace, &client.meta.name);
    answer.endpoints.iter().any(|endpoint| endpoint.namespace == *namespace && endpoint.pod.as_ref() == Some(name))
        || answer.raw_only.iter().any(|pod| (&pod.0, &pod.1) == (namespace, name))
}
