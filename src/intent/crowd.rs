//! Clients grouped by what the rules read of them, so that a service port is asked once per class and not once per client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::intent::capture::{self, is_proxy_user};
use crate::intent::class::Apart;
use crate::intent::client::{Client, selecting_keys};
use crate::intent::members::{Members, Numbers};
use crate::intent::mesh::{Mesh, address};
use crate::intent::pair::{self, Detail, Question};
use crate::model::derivation::PolicyKind;
use crate::model::pair::{Endpoint, PairIntent, ServerRef};
use crate::model::workload::{Capture, Pod, ProxyKind};

/// Clients, grouped.
#[derive(Debug)]
pub struct Crowd<'c, 's> {
    clients: &'c [Client<'s>],
    groups: Vec<Group<'s>>,
    /// Clients by the namespace and name of the pod that stands for them.
    by_pod: FxHashMap<(&'s str, &'s str), usize>,
}

/// Clients that a service port treats alike, and its answer to one of them.
#[derive(Debug)]
pub struct Class {
    /// Which clients, by their place in the list that was grouped.
    pub members: Members,
    /// The answer. Where it names the client's own pod among the endpoints, it is the first member's.
    pub intent: PairIntent,
}

/// Clients that differ in namespace and labels only.
#[derive(Debug)]
struct Group<'s> {
    all: Arc<Numbers>,
    /// Whether there is a proxy that rules could speak to.
    proxied: bool,
    by_namespace: BTreeMap<&'s str, Vec<(Traits<'s>, Vec<usize>)>>,
}

/// The labels that some object selects clients by.
type Traits<'s> = Vec<Option<&'s str>>;

/// What else the rules read of a client: its proxy, its control plane and what it sees, what it captures.
#[derive(PartialEq, Eq, Hash)]
struct Outline<'s> {
    proxy: ProxyKind,
    view: (usize, usize),
    captures: Option<(&'s Capture, bool, bool)>,
    network: Option<&'s str>,
}

/// The label by which a pod names its network.
const NETWORK: &str = "topology.istio.io/network";

// === impl Mesh, classes ===

impl<'s> Mesh<'s> {
    /// Groups clients.
    #[must_use]
    pub fn crowd<'c>(&self, clients: &'c [Client<'s>]) -> Crowd<'c, 's> {
        let keys = selecting_keys(self.snapshot);
        let mut outlines: FxHashMap<Outline<'s>, usize> = FxHashMap::default();
        let mut drafts: Vec<(Vec<usize>, Group<'s>)> = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            let place = *outlines.entry(self.outline(client.pod)).or_insert(drafts.len());
            if place == drafts.len() {
                drafts.push((Vec::new(), Group::new(client.pod)));
            }
            if let Some((members, group)) = drafts.get_mut(place) {
                members.push(number);
                group.add(number, client.pod, &keys);
            }
        }
        let groups =
            drafts.into_iter().map(|(members, group)| Group { all: Arc::new(members.into_iter().collect()), ..group });
        let name = |client: &Client<'s>| (client.pod.meta.namespace.as_str(), client.pod.meta.name.as_str());
        Crowd {
            clients,
            groups: groups.collect(),
            by_pod: clients.iter().enumerate().map(|(number, client)| (name(client), number)).collect(),
        }
    }

    fn outline(&self, pod: &'s Pod) -> Outline<'s> {
        let view = self.plane(pod).filter(|_| is_proxied(pod));
        Outline {
            proxy: pod.proxy,
            view: view.map_or((0, 0), |plane| (address(plane), address(self.scope(pod, plane).as_ref()))),
            network: pod.meta.label(NETWORK),
            captures: (pod.proxy == ProxyKind::Sidecar).then(|| (&pod.capture, pod.host_network, is_proxy_user(pod))),
        }
    }

    /// The classes of clients that a service port tells apart, each with its answer.
    ///
    /// With `each_own` a client that is itself an endpoint has a class of its own; otherwise those whose pods are alike share
    /// one, and its answer names the first of them.
    #[must_use]
    pub fn classes(&self, crowd: &Crowd<'_, 's>, server: &ServerRef, each_own: bool, detail: Detail) -> Vec<Class> {
        let mut classes = Vec::new();
        for group in &crowd.groups {
            let first = group.all.iter().next().and_then(|number| crowd.clients.get(number));
            let question = first.and_then(|client| self.question(client.pod, server));
            let question = question.map(|question| Question { detail, ..question });
            let Some(question) = question else {
                let members = Members::AllBut(Arc::clone(&group.all), Vec::new());
                classes.push(Class { members, intent: pair::unknown_server(server) });
                continue;
            };
            for members in group.told_apart(&question, crowd) {
                let asked = Asked { question: &question, crowd, each_own };
                asked.answer(members, &mut classes);
            }
        }
        classes
    }
}

fn is_proxied(pod: &Pod) -> bool {
    match pod.proxy {
        ProxyKind::None | ProxyKind::Proxyless => false,
        ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Unknown => true,
    }
}

// === impl Group ===

impl<'s> Group<'s> {
    fn new(pod: &Pod) -> Self {
        Self { all: Arc::default(), proxied: is_proxied(pod), by_namespace: BTreeMap::new() }
    }

    fn add(&mut self, number: usize, pod: &'s Pod, keys: &BTreeSet<&'s str>) {
        let traits: Traits<'s> = keys.iter().map(|key| pod.meta.label(key)).collect();
        let of_namespace = self.by_namespace.entry(&pod.meta.namespace).or_default();
        match of_namespace.iter_mut().find(|(own, _)| *own == traits) {
            Some((_, numbers)) => numbers.push(number),
            None => of_namespace.push((traits, vec![number])),
        }
    }

    /// The group in parts: one for each namespace and set of labels that rules for the host speak of, one for everybody else.
    fn told_apart(&self, question: &Question<'_, 's>, crowd: &Crowd<'_, 's>) -> Vec<Members> {
        let whole = || vec![Members::AllBut(Arc::clone(&self.all), Vec::new())];
        let first = self.all.iter().next().and_then(|number| crowd.clients.get(number));
        if let Some(client) = first
            && client.pod.proxy == ProxyKind::Sidecar
            && capture::outbound(client.pod, question.svc, question.port).is_err()
        {
            // The answer names the pod whose annotations lead past its proxy.
            return self.all.iter().map(|number| Members::These(vec![number])).collect();
        }
        if !self.proxied {
            return whole();
        }
        let named: Vec<&Vec<usize>> = match question.mesh.classes.apart(question) {
            Apart::Nobody => return whole(),
            Apart::Everyone => self.by_namespace.values().flatten().map(|(_, numbers)| numbers).collect(),
            Apart::Of(namespaces) => {
                let of = namespaces.iter().filter_map(|name| self.by_namespace.get(name));
                of.flatten().map(|(_, numbers)| numbers).collect()
            }
        };
        let mut parts: Vec<Members> = named.iter().map(|numbers| Members::These((*numbers).clone())).collect();
        let mut apart: Vec<usize> = named.into_iter().flatten().copied().collect();
        apart.sort_unstable();
        let rest = Members::AllBut(Arc::clone(&self.all), apart);
        if rest.count() > 0 {
            parts.push(rest);
        }
        parts
    }
}

/// A question put to clients that get the same answer, but for those that are endpoints themselves.
struct Asked<'a, 'c, 's> {
    question: &'a Question<'a, 's>,
    crowd: &'a Crowd<'c, 's>,
    each_own: bool,
}

// === impl Asked ===

impl Asked<'_, '_, '_> {
    fn answer(&self, members: Members, classes: &mut Vec<Class>) {
        let mut own: BTreeSet<usize> = self.serving().filter(|number| members.contains(*number)).collect();
        let mut alone = BTreeMap::new();
        let mut shared = None;
        while let Some(number) = members.numbers().find(|number| !own.contains(number)) {
            let Some(answer) = self.of(number) else { return };
            let found: Vec<usize> = self.reached(&answer).filter(|number| members.contains(*number)).collect();
            own.extend(&found);
            if !found.contains(&number) {
                shared = Some(answer);
                break;
            }
            alone.insert(number, answer);
        }
        let left = members.without(&own);
        self.of_endpoints(&own, alone, shared.as_ref(), classes);
        if let Some(intent) = shared {
            classes.push(Class { members: left, intent });
        }
    }

    /// Clients that are among the endpoints: a pod does not count as its own server.
    fn of_endpoints(
        &self,
        own: &BTreeSet<usize>,
        mut known: BTreeMap<usize, PairIntent>,
        shared: Option<&PairIntent>,
        classes: &mut Vec<Class>,
    ) {
        let mut alike: FxHashMap<Vec<usize>, usize> = FxHashMap::default();
        let alike_but_for_pods = |intent: &PairIntent| names_no_pod(intent) && intent.raw_only.is_empty();
        let shared = shared.filter(|intent| !self.each_own && alike_but_for_pods(intent));
        let mut by_client = shared.filter(|_| !own.is_empty()).map(|intent| self.places(intent));
        for number in own {
            let places = by_client.as_mut().map(|places| places.remove(number).unwrap_or_default());
            if let Some(class) = places.as_ref().and_then(|places| alike.get(places))
                && let Some(Class { members: Members::These(numbers), .. }) = classes.get_mut(*class)
            {
                numbers.push(*number);
                continue;
            }
            let Some(intent) = known.remove(number).or_else(|| self.of(*number)) else { continue };
            alike.extend(places.filter(|_| names_no_pod(&intent)).map(|places| (places, classes.len())));
            classes.push(Class { members: Members::These(vec![*number]), intent });
        }
    }

    fn of(&self, number: usize) -> Option<PairIntent> {
        let client = self.crowd.clients.get(number)?.pod;
        Some(Question { client, ..*self.question }.answer_for(None))
    }

    /// Clients that stand behind the service port.
    fn serving(&self) -> impl Iterator<Item = usize> {
        let Question { mesh, svc, port, .. } = *self.question;
        let behind = mesh.endpoints_at(mesh.behind(svc), port.port).iter().filter_map(|endpoint| endpoint.pod);
        behind.filter_map(|pod| self.crowd.by_pod.get(&(pod.meta.namespace.as_str(), pod.meta.name.as_str())).copied())
    }

    /// Clients that are among the pods that a call reaches.
    fn reached(&self, answer: &PairIntent) -> impl Iterator<Item = usize> {
        let raw =
            answer.raw_only.iter().filter_map(|(namespace, name)| self.crowd.by_pod.get(&(namespace, name)).copied());
        answer.endpoints.iter().filter_map(|end| self.client(end)).chain(raw)
    }

    fn client(&self, end: &Endpoint) -> Option<usize> {
        self.crowd.by_pod.get(&(end.namespace.as_str(), end.pod.as_deref()?)).copied()
    }

    /// Where clients stand among the endpoints, by runs of those that are alike.
    fn places(&self, shared: &PairIntent) -> FxHashMap<usize, Vec<usize>> {
        let mut places: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
        for (end, run) in shared.endpoints.iter().zip(runs(&shared.endpoints)) {
            if let Some(number) = self.client(end) {
                places.entry(number).or_default().push(run);
            }
        }
        places
    }
}

/// The runs of endpoints that are alike: whichever of one run is taken out, the same is left behind in the same order, and
/// the first that counts may decide.
fn runs(endpoints: &[Endpoint]) -> Vec<usize> {
    let mut before: Option<&Endpoint> = None;
    let mut run = 0;
    let number = |end| {
        run += usize::from(before.is_some_and(|before| !same(before, end)));
        before = Some(end);
        run
    };
    endpoints.iter().map(number).collect()
}

/// Whether two endpoints differ in nothing but which pod they are.
fn same(a: &Endpoint, b: &Endpoint) -> bool {
    (a.port, a.proxy, a.marked, a.sends, a.outcome, a.tcp, a.tcp_sends, a.accepts.mode)
        == (b.port, b.proxy, b.marked, b.sends, b.outcome, b.tcp, b.tcp_sends, b.accepts.mode)
        && a.accepts.decided_by == b.accepts.decided_by
}

/// Where a pod is to blame, each client's answer names other pods.
fn names_no_pod(intent: &PairIntent) -> bool {
    std::iter::once(&intent.decided_by).chain(&intent.responsible).all(|policy| policy.kind != PolicyKind::Pod)
}
