//! Where the sidecar is there and still does not count, or another control plane is asked.

use kubectl_mtls::decode::Assume;
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::evidence::FailedLook;
use kubectl_mtls::model::mesh::{IstioVersion, MeshProfile};
use kubectl_mtls::model::pair::{AcceptMode, OriginMode};
use kubectl_mtls::model::port::{PortClass, WorkloadPort};
use kubectl_mtls::model::snapshot::UnseenScope;
use kubectl_mtls::model::workload::ProxyKind;

use crate::intent::small::{ask, peer, verdict, with};
use crate::intent::support::plain;

fn pod(name: &str, extra_meta: &str, extra_spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: foo, \
         labels: {{app: {name}, security.istio.io/tlsMode: istio}}{extra_meta}}}\n\
         spec: {{containers: [{{name: app, image: app}}, {{name: istio-proxy, image: proxyv2}}]{extra_spec}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: foo}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 8000, targetPort: 80}}, {{name: tcp, port: 9000, targetPort: 90}}]}}\n---\n"
    )
}

#[test]
fn a_port_that_is_not_captured_is_open_whatever_the_policy_says() {
    let annotation = ", annotations: {traffic.sidecar.istio.io/excludeInboundPorts: '80'}";
    let mesh = with(&(peer("foo", "default", "STRICT") + &pod("api", annotation, "")));
    let naked = ask(&mesh, "legacy/sleep", "api.foo:8000");
    assert_eq!(verdict(&naked), "plaintext no-proxy-at-server po/api.foo");
    assert_eq!(naked.endpoints[0].accepts.mode, AcceptMode::NoProxy);
    // Clients with automatic mutual TLS do not know, and are not understood.
    let proxied = ask(&mesh, "foo/sleep", "api.foo:8000");
    assert_eq!(verdict(&proxied), "refused application-gets-ciphertext po/api.foo");
    assert_eq!(proxied.because, "mutual TLS to foo/api port 80, which its sidecar does not capture");
    assert_eq!(verdict(&ask(&mesh, "legacy/sleep", "api.foo:9000")), "refused no-filter-chain pa/default.foo");
}

#[test]
fn only_listed_inbound_ports_are_captured_where_a_list_is_given() {
    let annotation = ", annotations: {traffic.sidecar.istio.io/includeInboundPorts: '90'}";
    let mesh = with(&(peer("foo", "default", "STRICT") + &pod("api", annotation, "")));
    assert_eq!(verdict(&ask(&mesh, "legacy/sleep", "api.foo:8000")), "plaintext no-proxy-at-server po/api.foo");
    assert_eq!(verdict(&ask(&mesh, "legacy/sleep", "api.foo:9000")), "refused no-filter-chain pa/default.foo");
}

#[test]
fn a_client_that_bypasses_its_sidecar_sends_plaintext() {
    let policy = peer("foo", "default", "STRICT");
    let cases = [
        (", annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: '8000'}", ""),
        (", annotations: {sidecar.istio.io/interceptionMode: NONE}", ""),
        ("", ", hostNetwork: true"),
    ];
    for (meta, spec) in cases {
        let mesh = with(&(policy.clone() + &pod("caller", meta, spec)));
        let pair = ask(&mesh, "foo/caller", "httpbin.foo:8000");
        assert_eq!(verdict(&pair), "refused no-filter-chain pa/default.foo", "{meta}{spec}");
        assert_eq!(pair.originates.mode, OriginMode::NoProxy);
        assert_eq!(pair.originates.decided_by.short(), "po/caller.foo");
        assert!(!pair.conflict, "there is no proxy at the client's end of this call");
    }
}

#[test]
fn an_application_that_runs_as_the_proxys_user_is_never_captured() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: caller, namespace: foo, labels: {app: caller}}\n\
        spec: {containers: [{name: app, image: app, securityContext: {runAsUser: 1337}}, {name: istio-proxy, image: proxyv2}]}\n---\n";
    let pair = ask(&with(text), "foo/caller", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "plaintext plaintext-accepted po/caller.foo");
}

#[test]
fn a_policy_for_another_revision_is_not_seen() {
    let labelled = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
        metadata: {name: canary, namespace: foo, labels: {istio.io/rev: canary}}\nspec: {mtls: {mode: STRICT}}\n---\n";
    let mut mesh = with(labelled);
    let pair = ask(&mesh, "legacy/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "plaintext plaintext-accepted <no-sidecar>");
    let step =
        pair.endpoints[0].accepts.layers.iter().find(|step| step.policy.name.as_deref() == Some("canary")).unwrap();
    assert_eq!(step.why.as_deref(), Some("meant for control-plane revision `canary`; this one is `default`"));
    mesh.profiles.push(MeshProfile { revision: "canary".to_owned(), ..MeshProfile::default() });
    for pod in mesh.pods.iter_mut().filter(|pod| pod.meta.key() == "foo/httpbin") {
        pod.revision = Some("canary".to_owned());
    }
    assert_eq!(verdict(&ask(&mesh, "legacy/sleep", "httpbin.foo:8000")), "refused no-filter-chain pa/canary.foo");
}

#[test]
fn discovery_selectors_hide_policies_since_1_22_and_services_always() {
    let text = format!(
        "{}{}apiVersion: v1\nkind: Namespace\nmetadata: {{name: foo, labels: {{team: a}}}}\n---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: legacy}}\n---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: istio-system}}\n---\n",
        crate::intent::small::BASE,
        peer("istio-system", "default", "STRICT")
    );
    let config = serde_json::json!({"discoverySelectors": [{"matchLabels": {"team": "a"}}]});
    let read = |minor| {
        let assume = Assume {
            istio_version: Some(IstioVersion::minor(minor)),
            mesh_config: Some(config.clone()),
            ..Assume::default()
        };
        plain(&text, &assume)
    };
    // The root namespace is not exempt: its mesh-wide policy vanishes with it.
    assert_eq!(
        verdict(&ask(&read(22), "legacy/sleep", "httpbin.foo:8000")),
        "plaintext plaintext-accepted <no-sidecar>"
    );
    assert_eq!(
        verdict(&ask(&read(21), "legacy/sleep", "httpbin.foo:8000")),
        "refused no-filter-chain pa/default.istio-system"
    );
    let hidden = ask(&read(22), "foo/sleep", "httpbin.legacy:8000");
    assert_eq!(hidden.originates.route, kubectl_mtls::model::pair::Route::Passthrough);
}

#[test]
fn what_could_not_be_listed_makes_the_answer_unknown() {
    let mut mesh = with("");
    let look = |why: &str| FailedLook { tried: "list".to_owned(), why: why.to_owned(), next: None };
    mesh.unseen.push(UnseenScope {
        resource: "peerauthentications.security.istio.io".to_owned(),
        namespace: Some("istio-system".to_owned()),
        but: std::collections::BTreeSet::new(),
        look: look("forbidden"),
    });
    let pair = ask(&mesh, "legacy/sleep", "httpbin.foo:8000");
    assert_eq!(pair.outcome.wire.as_str(), "unknown");
    assert_eq!(
        pair.because,
        "`peerauthentications.security.istio.io` of namespace `istio-system` could not be listed (forbidden); by the rest: \
         plaintext to foo/httpbin port 80, which accepts mutual TLS and plaintext"
    );
    // No policy speaks to a server without a sidecar, nor to a client without one.
    assert_eq!(
        verdict(&ask(&mesh, "legacy/sleep", "httpbin.legacy:8000")),
        "plaintext no-proxy-at-server <no-sidecar>"
    );
    // A namespace that says its mode does not inherit.
    let mut settled = with(&peer("foo", "default", "STRICT"));
    settled.unseen.clone_from(&mesh.unseen);
    assert_eq!(verdict(&ask(&settled, "legacy/sleep", "httpbin.foo:8000")), "refused no-filter-chain pa/default.foo");
    assert_eq!(verdict(&ask(&settled, "foo/sleep", "httpbin.foo:8000")), "mutual-tls mutual-tls pa/default.foo");
}

#[test]
fn pods_of_one_workload_that_behave_differently_are_clients_of_their_own() {
    let deployed = |pod: &str, hash: &str, role: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: foo, \
             labels: {{app: web, role: {role}, pod-template-hash: {hash}}}, \
             ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: web-{hash}, controller: true, uid: u}}]}}\n\
             spec: {{containers: [{{name: app, image: app}}, {{name: istio-proxy, image: proxyv2}}]}}\n---\n"
        )
    };
    let pods = deployed("web-aa-1", "aa", "front") + &deployed("web-bb-1", "bb", "back");
    let alike = with(&pods);
    let names = |snapshot| {
        let mesh = Mesh::new(snapshot);
        let own = mesh.clients().into_iter().filter(|client| client.reference.workload == "web");
        own.map(|client| client.reference.display_name()).collect::<Vec<_>>()
    };
    assert_eq!(names(&alike), ["web.foo"]);
    let selecting = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: foo}\n\
        spec: {host: httpbin, workloadSelector: {matchLabels: {role: front}}, trafficPolicy: {tls: {mode: DISABLE}}}\n---\n";
    assert_eq!(names(&with(&(pods + selecting))), ["web(web-aa-1).foo", "web(web-bb-1).foo"]);
}

#[test]
fn a_port_nobody_declares_follows_the_workload_and_its_port_entries() {
    let workload = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: w, namespace: foo}\n\
        spec: {selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}, portLevelMtls: {7777: {mode: PERMISSIVE}}}\n---\n";
    let snapshot = with(workload);
    let mesh = Mesh::new(&snapshot);
    let httpbin = snapshot.pods.iter().find(|pod| pod.meta.key() == "foo/httpbin").unwrap();
    assert_eq!(mesh.inbound(httpbin, WorkloadPort(1234)).mode, AcceptMode::Strict);
    assert_eq!(mesh.inbound(httpbin, WorkloadPort(7777)).mode, AcceptMode::Permissive);
    // The Service's own port is not the workload's.
    assert_eq!(mesh.inbound(httpbin, WorkloadPort(8000)).mode, AcceptMode::Strict);
}

#[test]
fn another_name_for_a_service_leads_to_what_it_names() {
    let alias = "apiVersion: v1\nkind: Service\nmetadata: {name: alias, namespace: legacy}\n\
        spec: {type: ExternalName, externalName: httpbin.foo.svc.cluster.local, ports: [{name: http, port: 8000}]}\n---\n";
    let text = format!("{}{}{alias}", crate::intent::small::BASE, peer("foo", "default", "STRICT"));
    let read = |minor| plain(&text, &Assume { istio_version: Some(IstioVersion::minor(minor)), ..Assume::default() });
    // Since 1.21 the client's proxy treats it as the service it names; before, as something outside the mesh.
    assert_eq!(verdict(&ask(&read(21), "foo/sleep", "alias.legacy:8000")), "mutual-tls mutual-tls pa/default.foo");
    assert_eq!(verdict(&ask(&read(20), "foo/sleep", "alias.legacy:8000")), "refused no-filter-chain svc/alias.legacy");
    assert_eq!(verdict(&ask(&read(21), "legacy/sleep", "alias.legacy:8000")), "refused no-filter-chain pa/default.foo");
}

#[test]
fn what_a_ztunnel_does_is_not_told_and_says_so() {
    let mut mesh = with("");
    for pod in mesh.pods.iter_mut().filter(|pod| pod.meta.key() == "legacy/httpbin") {
        pod.proxy = ProxyKind::Ztunnel;
    }
    let pair = ask(&mesh, "foo/sleep", "httpbin.legacy:8000");
    assert_eq!(pair.outcome.wire.as_str(), "unknown");
    assert_eq!(
        pair.because,
        "the server is behind a ztunnel or waypoint, and ambient mode is not judged: httpbin.legacy.svc.cluster.local:8000"
    );
    assert_eq!(pair.symptom, None);
}

#[test]
fn a_server_refuses_clients_of_a_trust_domain_that_it_does_not_name() {
    // pilot/pkg/networking/plugin/authn/util.go:TrustDomainsForValidation
    let istio = |name: &str, mesh: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: istio-system}}\ndata: {{mesh: '{mesh}'}}\n---\n"
        )
    };
    let client = "apiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: foo, labels: {istio.io/rev: old}}\n\
                  spec: {serviceAccountName: other, containers: [{name: sleep, image: curl}, {name: istio-proxy, image: proxyv2}]}\n---\n";
    let old = istio("istio-old", "{trustDomain: old.example, trustDomainAliases: [cluster.local]}");
    let meet = |own: &str| {
        let mesh = with(&format!("{client}{old}{}", istio("istio", own)));
        verdict(&ask(&mesh, "foo/other", "httpbin.foo:8000"))
    };
    assert_eq!(meet("{}").split(' ').take(2).collect::<Vec<_>>(), ["refused", "foreign-trust-domain"]);
    assert_eq!(meet("{trustDomainAliases: [old.example]}").split(' ').next(), Some("mutual-tls"));
}

#[test]
fn an_endpoint_in_another_network_is_left_to_the_gateway_between() {
    // pilot/pkg/xds/endpoints/ep_filters.go:EndpointsByNetworkFilter
    let entry = |network: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: istio-system, labels: {{topology.istio.io/network: here}}}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: vm, namespace: foo}}\n\
             spec: {{hosts: [vm.foo], location: MESH_INTERNAL, resolution: STATIC, addresses: [10.97.0.9], \
             ports: [{{number: 80, name: http, protocol: HTTP}}], endpoints: [{{address: 10.1.0.1, {network}}}]}}\n---\n"
        )
    };
    let meet = |network: &str| verdict(&ask(&with(&entry(network)), "foo/sleep", "vm.foo:80"));
    assert_eq!(meet("network: there").split(' ').take(2).collect::<Vec<_>>(), ["depends", "other-network"]);
    assert_eq!(meet("network: here").split(' ').next(), Some("plaintext"));
    assert_eq!(meet("labels: {a: b}").split(' ').next(), Some("plaintext"));
}

/// Connections to either address of a pod meet the same sidecar: it is one endpoint. Istio: `pilot/pkg/model/service.go:IstioEndpoint`,
/// whose `Addresses` are those of both families.
#[test]
fn a_pod_with_addresses_of_two_families_is_one_endpoint() {
    let slice = |family: &str, address: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: dual-{family}, namespace: foo, labels: {{kubernetes.io/service-name: dual}}}}\n\
             addressType: {family}\nports: [{{name: http, port: 80, protocol: TCP}}]\n\
             endpoints: [{{addresses: ['{address}'], conditions: {{ready: true}}, \
             targetRef: {{kind: Pod, name: dual, namespace: foo}}}}]\n---\n"
        )
    };
    let dual = pod("dual", "", "").replacen(
        "\n---\n",
        "\nstatus: {podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}, {ip: 'fd00::9'}]}\n---\n",
        1,
    );
    for slices in ["", &(slice("IPv4", "10.0.0.9") + &slice("IPv6", "fd00::9"))] {
        let pair = ask(&with(&format!("{dual}{slices}")), "foo/sleep", "dual.foo:8000");
        let pods: Vec<&str> = pair.endpoints.iter().filter_map(|end| end.pod.as_deref()).collect();
        assert_eq!(pods, ["dual"], "{slices}");
        assert_eq!(pair.outcome.wire.as_str(), "mutual-tls", "{slices}");
    }
}

/// Istio: `pilot/pkg/serviceregistry/kube/controller/endpointslice.go:endpointHealthStatus` and
/// `pilot/pkg/xds/endpoints/endpoint_builder.go:filterIstioEndpoint`.
#[test]
fn nothing_is_sent_to_what_is_not_ready_unless_the_service_publishes_it() {
    let of = |publish: bool| {
        let document = pod("late", "", "").replacen(
            "\n---\n",
            "\nstatus: {podIP: 10.0.0.9, conditions: [{type: Ready, status: 'False'}]}\n---\n",
            1,
        );
        let published = format!("spec: {{publishNotReadyAddresses: {publish}, selector: {{app: late}}");
        with(&document.replace("spec: {selector: {app: late}", &published))
    };
    assert_eq!(ask(&of(false), "foo/sleep", "late.foo:8000").outcome.why.as_str(), "no-endpoints");
    assert_eq!(ask(&of(true), "foo/sleep", "late.foo:8000").outcome.why.as_str(), "mutual-tls");
}

/// Injection gives gateways no `security.istio.io/tlsMode`, so that istiod marks none of them for automatic mutual TLS.
/// Istio: `pilot/pkg/serviceregistry/kube/conversion.go:PodTLSMode`.
#[test]
fn a_gateway_without_the_label_gets_plaintext() {
    let gateway = "apiVersion: v1\nkind: Pod\nmetadata: {name: gw, namespace: foo, labels: {app: gw}}\n\
                   spec: {containers: [{name: istio-proxy, image: proxyv2, args: [proxy, router]}]}\n---\n\
                   apiVersion: v1\nkind: Service\nmetadata: {name: gw, namespace: foo}\n\
                   spec: {selector: {app: gw}, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n";
    let pair = ask(&with(&format!("{}{gateway}", peer("foo", "default", "STRICT"))), "foo/sleep", "gw.foo:80");
    assert_eq!(pair.originates.mode, OriginMode::Auto);
    assert_eq!(pair.endpoints[0].marked, Some(false));
    assert_eq!(pair.outcome.wire.as_str(), "plaintext");
}

/// Two pods that differ in nothing but their names, and a Service without selector whose slice lists one of them: it has the
/// declared port, and the other one has not.
#[test]
fn of_pods_that_are_alike_only_the_one_that_a_slice_lists_has_its_port() {
    let pod = |name: &str, address: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: foo, labels: {{app: twin}}}}\n\
             spec: {{containers: [{{name: app, image: app}}, {{name: istio-proxy, image: proxyv2}}]}}\n\
             status: {{podIP: {address}}}\n---\n"
        )
    };
    let slice = "apiVersion: v1\nkind: Service\nmetadata: {name: by-hand, namespace: foo}\n\
         spec: {ports: [{name: http, port: 8000}]}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {name: by-hand-1, namespace: foo, labels: {kubernetes.io/service-name: by-hand}}\n\
         addressType: IPv4\nports: [{name: http, port: 8000}]\nendpoints: [{addresses: [10.9.0.2]}]\n---\n";
    let snapshot = with(&(pod("twin-1", "10.9.0.1") + &pod("twin-2", "10.9.0.2") + &pod("twin-3", "10.9.0.3") + slice));
    let mesh = Mesh::new(&snapshot);
    let class = |name: &str| {
        let pod = snapshot.pods.iter().find(|pod| pod.meta.name == name).unwrap();
        mesh.inbound(pod, WorkloadPort(8000)).class
    };
    assert_eq!(
        [class("twin-1"), class("twin-2"), class("twin-3")],
        [PortClass::Auto, PortClass::Http, PortClass::Auto]
    );
}
