//! Which clients and servers a scope comes to, and which of them are asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::gather::bundle::Probed;
use crate::gather::probe::{Call, ClientPlan, is_echo_server, is_test_client};
use crate::gather::repeat::Repeated;
use crate::gather::scope::{Probes, Scope, Unmatched};
use crate::gather::suggest;
use crate::intent::{Client, Mesh};
use crate::model::evidence::{Reading, Transfer, Unseen};
use crate::model::meta::selects;
use crate::model::name::LabelSelector;
use crate::model::pair::{PairIntent, ServerRef};
use crate::model::port::PortClass;
use crate::model::service::Service;
use crate::model::snapshot::Snapshot;
use crate::model::workload::Pod;
use crate::observed::causes::Heard;
use crate::programmed::Proxies;
use crate::programmed::proxy::Wanted;
use crate::verdict::join::{self, Seen};
use crate::verdict::report::Pair;

/// Clients and servers within the scope.
pub(super) struct Chosen<'s> {
    pub(super) clients: Vec<Client<'s>>,
    pub(super) servers: Vec<ServerRef>,
    /// For each server whether it exists to be called by tests.
    pub(super) echo: Vec<bool>,
    /// Names of the scope that nothing has.
    pub(super) unmatched: Vec<Unmatched>,
}

impl<'s> Chosen<'s> {
    pub(super) fn of(mesh: &Mesh<'s>, scope: &Scope, default_namespace: &str) -> Self {
        Self::among(mesh, mesh.clients(), scope, default_namespace)
    }

    /// The same where the clients of the mesh are known already.
    pub(super) fn among(mesh: &Mesh<'s>, all_clients: Vec<Client<'s>>, scope: &Scope, default_namespace: &str) -> Self {
        let all_servers = mesh.servers();
        let echo_servers = EchoServers::of(mesh.snapshot());
        let namespaces = mesh.snapshot().namespace_names();
        let mut unmatched: Vec<Unmatched> = scope
            .services
            .iter()
            .filter(|name| !all_servers.iter().any(|server| name.matches(server, default_namespace)))
            .map(|name| suggest::service(name, &all_servers, &namespaces, default_namespace))
            .collect();
        let client_place = scope.namespace.as_deref();
        let missing = scope.from.iter().filter(|name| !all_clients.iter().any(|c| name.matches(c.pod, client_place)));
        unmatched.extend(missing.map(|name| suggest::client(name, &all_clients, &namespaces, client_place)));
        let in_scope = |server: &ServerRef| {
            let named = scope.services.iter().any(|name| name.matches(server, default_namespace));
            if !scope.services.is_empty() {
                return named;
            }
            scope.place(default_namespace).is_none_or(|namespace| namespace == server.namespace)
                && (!scope.echo_servers_only || echo_servers.stand_behind(server))
                && scope.labels.as_ref().is_none_or(|labels| labelled(mesh.snapshot(), server, labels))
        };
        let servers: Vec<ServerRef> = all_servers.into_iter().filter(in_scope).collect();
        Self {
            echo: servers.iter().map(|server| echo_servers.stand_behind(server)).collect(),
            servers,
            clients: all_clients
                .into_iter()
                .filter(|c| scope.from.is_empty() || scope.from.iter().any(|name| name.matches(c.pod, client_place)))
                .collect(),
            unmatched,
        }
    }

    /// The namespaces that were asked about; `None` = all.
    pub(super) fn namespaces(&self, scope: &Scope, default_namespace: &str) -> Option<BTreeSet<String>> {
        if scope.services.is_empty() && scope.labels.is_none() {
            return scope.place(default_namespace).map(|namespace| BTreeSet::from([namespace.to_owned()]));
        }
        Some(self.servers.iter().map(|server| server.namespace.clone()).collect())
    }

    fn pairs(&self) -> impl Iterator<Item = (&Client<'s>, &ServerRef)> {
        self.clients.iter().flat_map(|client| self.servers.iter().map(move |server| (client, server)))
    }

    /// The numbers of a call's client and server.
    pub(super) fn numbers(&self, call: usize) -> (usize, usize) {
        let servers = self.servers.len().max(1);
        (call / servers, call % servers)
    }

    pub(super) fn pair(&self, call: usize) -> Option<(&Client<'s>, &ServerRef, bool)> {
        let (client, server) = self.numbers(call);
        Some((self.clients.get(client)?, self.servers.get(server)?, *self.echo.get(server)?))
    }

    /// How many pairs there are.
    pub(super) fn count(&self) -> usize {
        self.clients.len().saturating_mul(self.servers.len())
    }

    /// The calls that requests are sent for, with what policy demands of each.
    pub(super) fn to_ask(&self, mesh: &Mesh<'s>, probes: Probes) -> BTreeMap<usize, Arc<PairIntent>> {
        let most = match probes {
            Probes::None => 0,
            Probes::TestPairs => usize::MAX,
            Probes::Chosen(most) => most,
        };
        // Without asking for everybody, test clients and echo servers are few, however many pairs there are.
        let everybody = matches!(probes, Probes::Chosen(_));
        let clients = self.clients.iter().enumerate().filter(|(_, client)| everybody || is_test_client(client.pod));
        let servers = || self.servers.iter().zip(&self.echo).enumerate().filter(|(_, (_, echo))| everybody || **echo);
        clients
            .flat_map(|(client, who)| servers().map(move |(server, (what, echo))| (client, who, server, what, *echo)))
            .filter_map(|(client, who, server, what, echo)| {
                let intent = mesh.pair_shared(who.pod, what);
                let why = unasked(probes, is_test_client(who.pod) && echo, who.pod, what, &intent);
                (why == Unseen::ThroughService).then(|| (client * self.servers.len() + server, intent))
            })
            .take(most)
            .collect()
    }

    pub(super) fn intents(&self, mesh: &Mesh<'s>) -> Vec<PairIntent> {
        self.pairs().map(|(client, server)| mesh.pair(client.pod, server)).collect()
    }

    pub(super) fn joined(&self, intents: Vec<PairIntent>, proxies: &Proxies, observed: &[Reading<Seen>]) -> Vec<Pair> {
        self.pairs()
            .zip(intents)
            .zip(observed)
            .map(|(((client, server), intent), seen)| {
                let programmed = proxies.told(&client.reference, server, &intent);
                join::pair(&client.reference, server, intent, &programmed, seen)
            })
            .collect()
    }

    /// What was answered, by the names of both ends.
    pub(super) fn probed(
        &self,
        by_call: &HashMap<usize, Reading<Transfer>>,
        (heard, repeated): (&HashMap<usize, Heard>, &Repeated),
    ) -> Vec<Probed> {
        let probed = by_call.iter().filter_map(|(call, reading)| {
            let (client, server, _) = self.pair(*call)?;
            let pod = &client.pod.meta;
            Some((
                *call,
                Probed {
                    namespace: pod.namespace.clone(),
                    pod: pod.name.clone(),
                    server: server.clone(),
                    reading: reading.clone(),
                    heard: heard.get(call).cloned().unwrap_or_default(),
                    repeats: repeated.get(call).cloned(),
                },
            ))
        });
        let in_order: BTreeMap<usize, Probed> = probed.collect();
        in_order.into_values().collect()
    }

    /// Both ends of every pair: the client's pod, and the endpoints that its intent names.
    pub(super) fn ends<'p>(
        &'p self,
        intents: &'p [PairIntent],
    ) -> impl Iterator<Item = (&'s Pod, &'p ServerRef, &'p PairIntent)> {
        self.calls(intents).map(|(client, server, intent)| (client.pod, server, intent))
    }

    /// Every call with its client.
    pub(super) fn calls<'p>(
        &'p self,
        intents: &'p [PairIntent],
    ) -> impl Iterator<Item = (&'p Client<'s>, &'p ServerRef, &'p PairIntent)> {
        self.pairs().zip(intents).map(|((client, server), intent)| (client, server, intent))
    }

    /// Both ends of every pair, with every pod of a client.
    pub(super) fn ends_of_all<'p>(
        &'p self,
        intents: &'p [PairIntent],
    ) -> impl Iterator<Item = (&'s Pod, &'p ServerRef, &'p PairIntent)> {
        let of_call = |(client, server, intent): (&'p Client<'s>, &'p ServerRef, &'p PairIntent)| {
            client.pods.iter().map(move |pod| (*pod, server, intent))
        };
        self.calls(intents).flat_map(of_call)
    }

    /// What of a proxy's answers is about the chosen servers.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::services(self.servers.iter().map(|server| (server.host.clone(), server.port.0)))
    }

    /// Both ends of some calls.
    pub(super) fn ends_of<'p>(
        &'p self,
        calls: &'p BTreeMap<usize, Arc<PairIntent>>,
    ) -> impl Iterator<Item = (&'s Pod, &'p ServerRef, &'p PairIntent)> {
        calls.iter().filter_map(|(call, intent)| {
            let (client, server, _) = self.pair(*call)?;
            Some((client.pod, server, intent.as_ref()))
        })
    }

    /// `Istio 1.31, 3 clients, 3 service ports`.
    pub(super) fn counts(&self, snapshot: &Snapshot) -> String {
        let versions: Vec<String> = snapshot
            .profiles
            .iter()
            .map(|profile| format!("{}{}", profile.version, if profile.version_seen { "" } else { " (assumed)" }))
            .collect();
        let plural = |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
        let (clients, servers) = (plural(self.clients.len(), "client"), plural(self.servers.len(), "service port"));
        format!("Istio {}, {clients}, {servers}", versions.join(", "))
    }

    /// For each pair why nothing is seen of it; `ThroughService` marks those that will be asked.
    pub(super) fn unasked(&self, probes: Probes, intents: &[PairIntent]) -> Vec<Reading<Seen>> {
        let echo = self.clients.iter().flat_map(|_| self.echo.iter().copied());
        let mut left = match probes {
            Probes::Chosen(most) => most,
            Probes::None | Probes::TestPairs => usize::MAX,
        };
        let mut readings = Vec::with_capacity(intents.len());
        for (((client, server), intent), echo) in self.pairs().zip(intents).zip(echo) {
            let mut why = unasked(probes, is_test_client(client.pod) && echo, client.pod, server, intent);
            if why == Unseen::ThroughService {
                if left == 0 {
                    why = Unseen::Budget;
                }
                left = left.saturating_sub(1);
            }
            readings.push(Reading::Unseen(why));
        }
        readings
    }

    /// One plan per client for calls in their order.
    pub(super) fn plans(&self, calls: impl Iterator<Item = usize>) -> Vec<ClientPlan<'s>> {
        let mut plans: BTreeMap<usize, ClientPlan<'s>> = BTreeMap::new();
        for number in calls {
            let Some((client, server, echo)) = self.pair(number) else { continue };
            let Some(container) = client.pod.application_container() else { continue };
            let plan = plans.entry(self.numbers(number).0).or_insert_with(|| ClientPlan {
                pod: client.pod,
                container: &container.name,
                calls: Vec::new(),
            });
            plan.calls.push(Call { number, server: server.clone(), echo });
        }
        plans.into_values().collect()
    }
}

/// Why nothing is seen of a pair; `ThroughService` marks one that will be asked.
pub(super) fn unasked(
    probes: Probes,
    test_pair: bool,
    client: &Pod,
    server: &ServerRef,
    intent: &PairIntent,
) -> Unseen {
    match (probes, test_pair) {
        (Probes::None, _) => return Unseen::NotRequested,
        (Probes::TestPairs, false) => return Unseen::NotATestPair,
        (Probes::TestPairs, true) | (Probes::Chosen(_), _) => {}
    }
    let called = intent.endpoints.iter().any(|endpoint| !endpoint.is_self);
    match (called, client.ready, server.protocol.class()) {
        (false, _, _) => Unseen::NoEndpoints,
        (true, false, _) => Unseen::PodNotReady,
        (true, true, PortClass::Tcp) => Unseen::NotHttp,
        (true, true, PortClass::Http | PortClass::Auto) => Unseen::ThroughService,
    }
}

/// Services whose selector asks for pods that exist to be called by tests.
struct EchoServers<'s>(Vec<(&'s str, &'s str)>);

impl<'s> EchoServers<'s> {
    fn of(snapshot: &'s Snapshot) -> Self {
        let pods: Vec<&Pod> = snapshot.pods.iter().filter(|pod| is_echo_server(pod)).collect();
        let stands_behind = |service: &&Service| {
            let Some(selector) = service.selector.as_ref() else { return false };
            // A Service that asks for echo servers is one even where none of them runs at the moment.
            selector.get("app").is_some_and(|app| app == "httpbin")
                || pods
                    .iter()
                    .any(|pod| pod.namespace() == service.meta.namespace && selects(selector, &pod.meta.labels))
        };
        let names = |service: &'s Service| (service.meta.namespace.as_str(), service.meta.name.as_str());
        Self(snapshot.services.iter().filter(stands_behind).map(names).collect())
    }

    fn stand_behind(&self, server: &ServerRef) -> bool {
        !server.entry
            && self.0.iter().any(|(namespace, name)| *namespace == server.namespace && *name == server.service)
    }
}

fn labelled(snapshot: &Snapshot, server: &ServerRef, labels: &LabelSelector) -> bool {
    let of = |namespace: &str, name: &str| namespace == server.namespace && name == server.service;
    let service = snapshot.services.iter().find(|service| of(&service.meta.namespace, &service.meta.name));
    service.is_some_and(|service| labels.matches(&service.meta.labels))
}
