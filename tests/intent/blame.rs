//! Who decides, who has to change, and what is said about it.

use kubectl_mtls::model::derivation::{Effect, Step};

use crate::intent::small::{ask, peer, rule, verdict, with};

fn shorts(policies: &[kubectl_mtls::model::derivation::PolicyRef]) -> Vec<String> {
    policies.iter().map(kubectl_mtls::model::derivation::PolicyRef::short).collect()
}

fn lines(layers: &[Step]) -> Vec<String> {
    let line = |step: &Step| {
        let effect = match step.effect {
            Effect::Effective => "effective",
            Effect::Overridden => "overridden",
            Effect::Inherited => "inherited",
            Effect::Ignored => "ignored",
        };
        format!("{} {} {effect}", step.policy.short(), step.says)
    };
    layers.iter().map(line).collect()
}

#[test]
fn a_rule_that_disables_tls_against_strict_is_a_conflict_of_both() {
    let mesh = with(&(peer("foo", "default", "STRICT") + &rule("loose", "DISABLE")));
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "refused no-filter-chain dr/loose.foo");
    assert!(pair.conflict);
    assert_eq!(shorts(&pair.responsible), ["dr/loose.foo", "pa/default.foo"]);
    assert_eq!(pair.because, "plaintext to foo/httpbin port 80, which accepts mutual TLS only");
    assert_eq!(
        lines(&pair.originates.layers),
        ["<auto-mtls> would send mTLS overridden", "dr/loose.foo DISABLE effective"]
    );
    assert_eq!(
        lines(&pair.endpoints[0].accepts.layers),
        ["<default-permissive> PERMISSIVE overridden", "pa/default.foo STRICT effective"]
    );
}

#[test]
fn automatic_mutual_tls_towards_strict_is_decided_by_the_policy() {
    let mesh = with(&peer("foo", "default", "STRICT"));
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "mutual-tls mutual-tls pa/default.foo");
    assert!(!pair.conflict && pair.responsible.is_empty());
}

#[test]
fn plaintext_to_a_server_without_sidecar_is_decided_by_its_absence() {
    let mesh = with(&peer("istio-system", "default", "STRICT"));
    let pair = ask(&mesh, "foo/sleep", "httpbin.legacy:8000");
    assert_eq!(verdict(&pair), "plaintext no-proxy-at-server <no-sidecar>");
    assert!(!pair.conflict && pair.responsible.is_empty());
}

#[test]
fn a_refused_client_without_sidecar_meets_the_servers_policy_and_no_conflict() {
    let mesh = with(&peer("istio-system", "default", "STRICT"));
    let pair = ask(&mesh, "legacy/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "refused no-filter-chain pa/default.istio-system");
    assert!(!pair.conflict);
    assert_eq!(shorts(&pair.responsible), ["pa/default.istio-system"]);
    let symptom = pair.symptom.unwrap();
    assert_eq!((symptom.http, symptom.exit), (vec!["000".to_owned()], vec![56]));
}

#[test]
fn a_namespace_that_disables_hints_clients_into_a_strict_workload() {
    let workload = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: w, namespace: foo}\n\
                    spec: {selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}}\n---\n";
    let mesh = with(&(peer("foo", "default", "DISABLE") + workload));
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "refused no-filter-chain pa/default.foo");
    assert!(pair.conflict);
    assert_eq!(shorts(&pair.responsible), ["pa/default.foo", "pa/w.foo"]);
    assert_eq!(pair.symptom.unwrap().http, ["503"]);
}

#[test]
fn mutual_tls_to_a_port_that_is_disabled_is_a_conflict_that_names_the_port() {
    let workload = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: w, namespace: foo}\n\
                    spec: {selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}\n---\n";
    let mesh = with(&(workload.to_owned() + &rule("tight", "ISTIO_MUTUAL")));
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "refused tls-on-plaintext-http dr/tight.foo");
    assert!(pair.conflict);
    let accepts = &pair.endpoints[0].accepts;
    assert_eq!(accepts.decided_by.field.as_deref(), Some("spec.portLevelMtls[80].mode"));
    assert_eq!(
        lines(&accepts.layers),
        ["<default-permissive> PERMISSIVE overridden", "pa/w.foo STRICT overridden", "pa/w.foo DISABLE effective"]
    );
}

#[test]
fn a_port_that_is_disabled_makes_automatic_clients_send_plaintext() {
    let workload = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: w, namespace: foo}\n\
                    spec: {selector: {matchLabels: {app: httpbin}}, portLevelMtls: {80: {mode: DISABLE}}}\n---\n";
    let mesh = with(workload);
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "plaintext plaintext-accepted pa/w.foo");
    assert_eq!(pair.decided_by.field.as_deref(), Some("spec.portLevelMtls[80].mode"));
    assert_eq!(verdict(&ask(&mesh, "foo/sleep", "httpbin.foo:9000")), "mutual-tls mutual-tls <auto-mtls>");
}

#[test]
fn every_policy_that_lost_says_why() {
    let root_selector = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
        metadata: {name: picky, namespace: istio-system}\n\
        spec: {selector: {matchLabels: {app: httpbin}}, mtls: {mode: DISABLE}}\n---\n";
    let old = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
        metadata: {name: zz-old, namespace: foo, creationTimestamp: '2026-01-01T00:00:00Z'}\nspec: {mtls: {mode: UNSET}}\n---\n";
    let mesh =
        with(&(peer("istio-system", "default", "STRICT") + &peer("foo", "new", "DISABLE") + old + root_selector));
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    let layers = &pair.endpoints[0].accepts.layers;
    assert_eq!(
        lines(layers),
        [
            "<default-permissive> PERMISSIVE overridden",
            "pa/default.istio-system STRICT effective",
            "pa/new.foo DISABLE ignored",
            "pa/zz-old.foo UNSET inherited",
            "pa/picky.istio-system DISABLE ignored",
        ]
    );
    let whys: Vec<&str> =
        layers.iter().filter(|step| step.effect == Effect::Ignored).filter_map(|step| step.why.as_deref()).collect();
    assert_eq!(
        whys,
        [
            "`zz-old` is older; only the oldest policy without selector of a namespace counts",
            "a policy with a selector in the root namespace is never applied",
        ]
    );
}

#[test]
fn a_rule_that_is_not_this_clients_says_why() {
    let elsewhere = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: third, namespace: legacy}\n\
        spec: {host: httpbin.foo.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}\n---\n";
    let short = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: short, namespace: foo}\n\
        spec: {host: httpbin.foo, trafficPolicy: {tls: {mode: DISABLE}}}\n---\n";
    let hidden = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: hidden, namespace: foo}\n\
        spec: {host: httpbin, exportTo: [bar], trafficPolicy: {tls: {mode: DISABLE}}}\n---\n";
    let mesh = with(&format!("{elsewhere}{short}{hidden}"));
    let pair = ask(&mesh, "foo/sleep", "httpbin.foo:8000");
    assert_eq!(verdict(&pair), "mutual-tls mutual-tls <auto-mtls>");
    let why = |name: &str| {
        let step = pair.originates.layers.iter().find(|step| step.policy.name.as_deref() == Some(name)).unwrap();
        assert_eq!(step.effect, Effect::Ignored);
        step.why.clone().unwrap()
    };
    assert_eq!(
        why("third"),
        "only rules of the client's namespace, the Service's, and the root namespace are looked up"
    );
    assert_eq!(why("short"), "its host `httpbin.foo` names nothing: only a name without dots is completed");
    assert_eq!(why("hidden"), "exportTo does not reach namespace `foo`");
}

#[test]
fn a_missing_label_is_named_where_it_makes_clients_send_plaintext() {
    let bare = "apiVersion: v1\nkind: Pod\nmetadata: {name: bare, namespace: foo, labels: {app: bare}}\n\
        spec: {containers: [{name: app, image: app}, {name: istio-proxy, image: proxyv2}]}\n---\n\
        apiVersion: v1\nkind: Service\nmetadata: {name: bare, namespace: foo}\n\
        spec: {selector: {app: bare}, ports: [{name: http, port: 80}]}\n---\n";
    let mesh = with(&(peer("foo", "default", "STRICT") + bare));
    let pair = ask(&mesh, "foo/sleep", "bare.foo:80");
    assert_eq!(verdict(&pair), "refused no-filter-chain po/bare.foo");
    assert!(pair.conflict);
    assert_eq!(pair.decided_by.field.as_deref(), Some("metadata.labels[security.istio.io/tlsMode]"));
}
