//! What stands around a decision without making it: which object names the destination, what the client's proxy sees, which
//! mesh configuration the others are read by. Whoever keeps these and the layers that spoke gets the same answer again.

use std::collections::HashSet;
use std::sync::Arc;

use crate::intent::accepts::MODE;
use crate::intent::call::{Call, End};
use crate::intent::cluster::{AutoOff, Cluster, TlsReason};
use crate::intent::endpoint::TLS_MODE_ISTIO;
use crate::intent::host;
use crate::intent::mesh::Mesh;
use crate::intent::originates;
use crate::intent::pair::Question;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Source, Svc};
use crate::model::derivation::{Effect, Layer, PolicyKind, PolicyRef, Step};
use crate::model::mesh::{OutboundPolicy, ROOT_NAMESPACE};
use crate::model::meta::Meta;
use crate::model::pair::{OriginKind, Originates, Route};
use crate::model::policy::PeerAuthentication;
use crate::model::service::{EntryEndpoint, ServiceEntry, WorkloadEntry};
use crate::model::wire::Why;
use crate::model::workload::{Pod, ProxyKind};

/// What the client's side rests on.
///
/// `others` are clusters of other services that a call leaves by.
pub(crate) fn of_client<'s>(
    question: &Question<'_, 's>,
    calls: &[&Call<'s>],
    others: &[(Arc<Svc<'s>>, Cluster<'s>)],
    originates: &Originates,
) -> Vec<Step> {
    let spoke = originates.layers.as_slice();
    let mut steps = Steps::beside(spoke);
    for entry in &question.svc.entries {
        steps.add(PolicyKind::ServiceEntry, &entry.meta, "spec.hosts", format!("names {}", question.svc.host));
    }
    if !question.has_proxy() {
        return steps.found;
    }
    let scope = question.mesh.scope(question.client, question.plane);
    if let Some(sidecar) = scope.sidecar {
        let says = format!("what proxies of namespace `{}` see", scope.namespace);
        steps.add(PolicyKind::Sidecar, &sidecar.meta, "spec.egress", says);
    }
    let sharing = sharing(question, calls);
    let hidden = |svc: &&Arc<Svc<'_>>| svc.export_to().is_empty() && !question.plane.exports(svc, scope.namespace);
    if sharing.iter().any(hidden) {
        let says = question.plane.profile.config.default_service_export_to.join(", ");
        steps.configured("defaultServiceExportTo", says);
    }
    for entry in sharing.iter().flat_map(|svc| svc.entries.iter().copied()) {
        steps.add(PolicyKind::ServiceEntry, &entry.meta, "spec.hosts", "shares its host or its port".to_owned());
        // Their addresses have listeners where the entry has none of its own.
        for machine in selected(question.mesh, entry) {
            let says = format!("an address of {}", entry.meta.name);
            steps.add(PolicyKind::WorkloadEntry, &machine.meta, "spec.address", says);
        }
    }
    let led = calls.iter().flat_map(|call| &call.legs).filter_map(|leg| leg.found.as_ref());
    let elsewhere: Vec<&(Arc<Svc<'s>>, Cluster<'s>)> = led.chain(others).collect();
    for entry in elsewhere.iter().flat_map(|(svc, _)| &svc.entries) {
        steps.add(PolicyKind::ServiceEntry, &entry.meta, "spec.hosts", "names where the call goes".to_owned());
    }
    for (svc, cluster) in others.iter().filter(|(_, cluster)| originates.route != Route::Cluster(cluster.name.clone()))
    {
        steps.by_other(question, svc, cluster);
    }
    for (svc, cluster) in elsewhere {
        steps.assumed(question, svc, cluster);
    }
    let config = &question.plane.profile.config;
    let blocked = calls.iter().any(|call| {
        let of =
            |why: Why, route: Option<&Route>| why == Why::BlockedByOutboundPolicy || route == Some(&Route::BlackHole);
        of(call.outcome.why, call.route.as_ref()) || call.ends.iter().any(|end| of(end.outcome.why, Some(&end.route)))
    });
    let by_sidecar = scope.sidecar.is_some_and(|sidecar| sidecar.outbound_policy.is_some());
    if blocked && !by_sidecar && config.outbound_policy == OutboundPolicy::RegistryOnly {
        steps.configured("outboundTrafficPolicy.mode", "REGISTRY_ONLY".to_owned());
    }
    let ruled = question.plane.destination_rules.covering(&question.svc.host).next().is_some();
    if ruled && config.default_destination_rule_export_to != ["*"] {
        let says = config.default_destination_rule_export_to.join(", ");
        steps.configured("defaultDestinationRuleExportTo", says);
    }
    let policies = &question.plane.peer_authentications;
    if spoke.iter().any(|step| step.policy.kind == PolicyKind::AutoMtls && step.effect == Effect::Effective) {
        steps.policies(
            [policies.mesh(), policies.namespace(question.svc.namespace())],
            "what clients assume of the Service",
        );
    }
    for end in calls.iter().flat_map(|call| &call.ends).filter(|end| marked_apart(end)) {
        let endpoint = &end.endpoint;
        if endpoint.tls_mode == TLS_MODE_ISTIO && end.marked.is_some() {
            let composed = policies.compose(endpoint.namespace, &endpoint.labels);
            let layers = [policies.mesh(), policies.namespace(endpoint.namespace), composed.workload];
            steps.policies(layers, "whether an endpoint is marked for mutual TLS");
        }
    }
    steps.add_root(question.plane, spoke);
    steps.found
}

/// What the server's side rests on.
pub(crate) fn of_server<'s>(mesh: &Mesh<'s>, plane: &ControlPlane<'s>, pod: &'s Pod, spoke: &[Step]) -> Vec<Step> {
    let mut steps = Steps::beside(spoke);
    if let Some(sidecar) = plane.sidecar(&pod.meta.namespace, &pod.meta.labels) {
        if !sidecar.ingress.is_empty() {
            steps.add(PolicyKind::Sidecar, &sidecar.meta, "spec.ingress", "names the ports that there are".to_owned());
        } else if plane.sidecars_for(pod).any(|other| !other.ingress.is_empty()) {
            let says = "has none, and takes the place of one that has".to_owned();
            steps.add(PolicyKind::Sidecar, &sidecar.meta, "spec.ingress", says);
        }
    }
    for entry in mesh.registry.in_namespace(&pod.meta.namespace).iter().flat_map(|svc| declaring(mesh, svc, pod)) {
        steps.add(PolicyKind::ServiceEntry, &entry.meta, "spec.ports", "declares a port of the pod".to_owned());
    }
    steps.add_root(plane, spoke);
    steps.found
}

/// The WorkloadEntries that an address comes from.
pub(crate) fn of_machine(
    mesh: &Mesh<'_>,
    namespace: &str,
    workload: &str,
    address: Option<std::net::IpAddr>,
) -> Vec<Step> {
    let mut steps = Steps::default();
    let is_it = |endpoint: &EntryEndpoint| match address {
        Some(address) => endpoint.address.parse() == Ok(address),
        None => endpoint.address == workload,
    };
    for entry in mesh.pods.machines(namespace) {
        if is_it(&entry.endpoint) {
            let says = format!("stands for {}", entry.endpoint.address);
            steps.add(PolicyKind::WorkloadEntry, &entry.meta, "spec.address", says);
        }
    }
    steps.found
}

/// Whether the policies that mark an endpoint for mutual TLS are not those that say what it accepts: they are read by the
/// endpoint's namespace and labels, and even where no sidecar stands.
fn marked_apart(end: &End<'_>) -> bool {
    let endpoint = &end.endpoint;
    endpoint.pod.is_none_or(|pod| {
        pod.proxy != ProxyKind::Sidecar
            || endpoint.namespace != pod.meta.namespace
            || *endpoint.labels != pod.meta.labels
    })
}

/// Services that may catch the call: those that claim its host, and where it does not leave by its own cluster those of
/// ServiceEntries that share a listener with it.
fn sharing<'a, 's>(question: &Question<'a, 's>, calls: &[&Call<'s>]) -> Vec<&'a Arc<Svc<'s>>> {
    let (svc, port) = (question.svc, question.port.port);
    let own = |route: &Route| match route {
        Route::Cluster(name) => name.ends_with(&format!("|{}", svc.host)),
        Route::Direct | Route::Passthrough | Route::BlackHole | Route::Split(_) | Route::Answered => false,
    };
    let astray = calls.iter().any(|call| {
        call.route.as_ref().is_none_or(|route| !own(route)) || call.ends.iter().any(|end| !own(&end.route))
    });
    let registry = &question.mesh.registry;
    let with_port = if astray { registry.entries_with_port(port) } else { registry.wildcards_with_port(port) };
    let with_port = with_port.iter().filter(|other| astray || host::covers(&other.host, &svc.host));
    let namesakes = registry.host(&svc.host).iter();
    namesakes.chain(with_port).collect()
}

/// The WorkloadEntries that a ServiceEntry selects.
fn selected<'a, 's>(
    mesh: &'a Mesh<'s>,
    entry: &'s ServiceEntry,
) -> impl Iterator<Item = &'s WorkloadEntry> + use<'a, 's> {
    mesh.pods.machines(&entry.meta.namespace).iter().copied().filter(move |machine| {
        let carries = |key: &String, value: &String| {
            let label = machine.meta.labels.get(key).or_else(|| machine.endpoint.labels.get(key));
            label == Some(value)
        };
        let selector = entry.workload_selector.as_ref();
        selector.is_some_and(|labels| labels.iter().all(|(key, value)| carries(key, value)))
    })
}

/// What spoke for the service's own cluster, where the call leaves by another.
pub(crate) fn unused(own: Vec<Step>, host: &str) -> impl Iterator<Item = Step> {
    let why = format!("the call leaves by the cluster of {host}");
    own.into_iter().filter(|step| step.policy.is_object() && step.effect != Effect::Ignored).map(move |step| Step {
        effect: Effect::Overridden,
        why: Some(why.clone()),
        ..step
    })
}

/// The ServiceEntries of a host by which a pod has ports.
fn declaring<'s>(mesh: &Mesh<'s>, svc: &Svc<'s>, pod: &'s Pod) -> Vec<&'s ServiceEntry> {
    if let Source::Kubernetes(_) = svc.source {
        return Vec::new();
    }
    let is_in = |entry: &&'s ServiceEntry| {
        entry.ports.iter().any(|port| {
            let found = crate::intent::endpoint::of_entry(svc, entry, &port.name, &mesh.pods);
            found.iter().any(|endpoint| endpoint.pod.is_some_and(|found| std::ptr::eq(found, pod)))
        })
    };
    svc.entries.iter().copied().filter(is_in).collect()
}

/// Steps, each object once.
#[derive(Default)]
struct Steps {
    found: Vec<Step>,
    known: HashSet<(PolicyKind, String, String)>,
}

// === impl Question ===

impl Question<'_, '_> {
    fn has_proxy(&self) -> bool {
        match self.client.proxy {
            ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Unknown => {
                true
            }
            ProxyKind::None | ProxyKind::Proxyless => false,
        }
    }
}

// === impl Steps ===

impl Steps {
    /// None yet, and none about what spoke already.
    fn beside(spoke: &[Step]) -> Self {
        let place = |step: &Step| {
            let PolicyRef { kind, namespace, name, .. } = &step.policy;
            Some((*kind, namespace.clone()?, name.clone()?))
        };
        Self { found: Vec::new(), known: spoke.iter().filter_map(place).collect() }
    }

    fn add(&mut self, kind: PolicyKind, meta: &Meta, field: &str, says: String) {
        if self.known.insert((kind, meta.namespace.clone(), meta.name.clone())) {
            let policy = PolicyRef::object(Layer::Default, kind, meta, field);
            self.found.push(Step { policy, says, effect: Effect::Inherited, why: None });
        }
    }

    /// What speaks where some of the call leaves by another service's cluster.
    fn by_other<'s>(&mut self, question: &Question<'_, 's>, svc: &Svc<'s>, cluster: &Cluster<'s>) {
        let other = originates::by_cluster(cluster, OriginKind::Mixed, question.client, svc, question.plane);
        let speaks = |step: &Step| step.policy.is_object() || step.policy.kind == PolicyKind::MeshConfig;
        for step in other.layers.into_iter().filter(speaks) {
            let why = Some(format!("some of it leaves by the cluster of {}", svc.host));
            self.found.push(Step { effect: Effect::Inherited, why, ..step });
        }
    }

    /// What automatic mutual TLS towards another service rests on.
    fn assumed<'s>(&mut self, question: &Question<'_, 's>, svc: &Svc<'s>, cluster: &Cluster<'s>) {
        let policies = &question.plane.peer_authentications;
        match &cluster.reason {
            TlsReason::Off(AutoOff::MeshConfig) => self.configured("enableAutoMtls", "false".to_owned()),
            TlsReason::Auto { .. } | TlsReason::Off(AutoOff::AssumedDisable(_)) => {
                let layers = [policies.mesh(), policies.namespace(svc.namespace())];
                self.policies(layers, "what clients assume of the Service");
            }
            TlsReason::Rule { .. } | TlsReason::Off(AutoOff::External | AutoOff::EndpointWithoutSidecar) => {}
        }
    }

    fn policies<'s>(&mut self, policies: impl IntoIterator<Item = Option<&'s PeerAuthentication>>, what: &str) {
        for policy in policies.into_iter().flatten() {
            self.add(PolicyKind::PeerAuthentication, &policy.meta, MODE, what.to_owned());
        }
    }

    fn configured(&mut self, field: &str, says: String) {
        let policy = PolicyRef {
            layer: Layer::Mesh,
            field: Some(field.to_owned()),
            ..PolicyRef::default_of(PolicyKind::MeshConfig)
        };
        if self.found.iter().any(|step| step.policy == policy) {
            return;
        }
        self.found.push(Step { policy, says, effect: Effect::Inherited, why: None });
    }

    /// Where the root namespace is not Istio's default, policies of either mean something else by it.
    fn add_root(&mut self, plane: &ControlPlane<'_>, spoke: &[Step]) {
        let (root, usual) = (plane.root(), ROOT_NAMESPACE);
        let means = |step: &Step| step.policy.namespace.as_deref().is_some_and(|name| name == root || name == usual);
        if root != usual && spoke.iter().chain(&self.found).any(means) {
            self.configured("rootNamespace", root.to_owned());
        }
    }
}
