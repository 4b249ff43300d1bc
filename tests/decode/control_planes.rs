//! Control-plane revisions: version, mesh configuration, switches.

use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::model::mesh::{IstioVersion, MeshConfig, MeshProfile, OutboundPolicy};
use serde_json::json;

use super::{clean, mesh};

/// An istiod Deployment of a revision with these lines in its container.
fn istiod(revision: &str, image: &str, container: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: istiod-{revision}, namespace: istio-system}}
spec:
  template:
    metadata: {{labels: {{app: istiod, istio.io/rev: {revision}}}}}
    spec:
      containers:
      - name: discovery
        image: {image}
        {container}
---
"
    )
}

fn config_map(name: &str, mesh: &str) -> String {
    let mesh = mesh.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: istio-system}}\ndata:\n  mesh: |-\n{mesh}---\n"
    )
}

#[test]
fn nothing_seen_is_one_profile_with_the_defaults() {
    assert_eq!(mesh("").profiles, [MeshProfile::default()]);
}

#[test]
fn a_switch_of_istiod_is_read_as_go_reads_it() {
    for (value, is_on) in [("false", false), ("0", false), ("F", false), ("true", true), ("1", true), ("no", true)] {
        let environment = format!("env: [{{name: PILOT_ENABLE_ALPN_FILTER, value: '{value}'}}]");
        let profiles = mesh(&istiod("default", "docker.io/istio/pilot:1.31.0", &environment)).profiles;
        assert_eq!(profiles[0].alpn_filter, is_on, "{value}");
    }
}

#[test]
fn each_revision_has_a_profile_the_default_first() {
    let text = [
        istiod(
            "canary",
            "docker.io/istio/pilot:1.31.0-distroless",
            "env: [{name: PILOT_ENABLE_ALPN_FILTER, value: 'false'}]",
        ),
        istiod("default", "registry:5000/istio/pilot:1.9.2@sha256:0123", "args: [discovery, --domain, example.org]"),
        config_map("istio", "rootNamespace: mesh\nenableAutoMtls: false"),
        config_map(
            "istio-canary",
            "trustDomain: td\ntrustDomainAliases: [old]\noutboundTrafficPolicy:\n  mode: REGISTRY_ONLY",
        ),
        config_map("istio-old", "{}"),
    ];
    let profiles = mesh(&text.concat()).profiles;
    let seen: Vec<_> = profiles
        .iter()
        .map(|profile| (profile.revision.as_str(), profile.version.to_string(), profile.version_seen))
        .collect();
    assert_eq!(
        seen,
        [
            ("default", "1.9".to_owned(), true),
            ("canary", "1.31".to_owned(), true),
            ("old", IstioVersion::NEWEST.to_string(), false)
        ]
    );
    let (default, canary) = (&profiles[0], &profiles[1]);
    assert_eq!(
        (default.config.root_namespace.as_str(), default.config.auto_mtls, default.alpn_filter),
        ("mesh", false, true)
    );
    assert_eq!(default.config.cluster_domain, "example.org");
    assert_eq!(
        (canary.config.root_namespace.as_str(), canary.config.auto_mtls, canary.alpn_filter),
        ("istio-system", true, false)
    );
    assert_eq!(
        (canary.config.trust_domain.as_str(), canary.config.outbound_policy),
        ("td", OutboundPolicy::RegistryOnly)
    );
    assert_eq!(canary.config.trust_domain_aliases, ["old"]);
}

#[test]
fn every_field_of_the_mesh_config() {
    let text = config_map(
        "istio",
        "defaultServiceExportTo: [\".\"]
defaultDestinationRuleExportTo: []
discoverySelectors:
- matchLabels: {a: b}
outboundTrafficPolicy: {}
enableAutoMtls: null
unknown: 1",
    );
    let config = mesh(&text).profiles.remove(0).config;
    assert_eq!(config.default_service_export_to, ["."]);
    assert_eq!(config.default_destination_rule_export_to, [""; 0]);
    assert_eq!(config.discovery_selectors, [json!({"matchLabels": {"a": "b"}})]);
    assert_eq!((config.outbound_policy, config.auto_mtls), (OutboundPolicy::AllowAny, true));
}

#[test]
fn a_mesh_config_that_is_not_understood_is_said() {
    for (mesh_text, why) in [
        ("enableAutoMtls: maybe", "`enableAutoMtls` is \"maybe\""),
        ("outboundTrafficPolicy: {mode: ANY}", "`outboundTrafficPolicy.mode` is `ANY`"),
        ("a: [", "it cannot be read"),
    ] {
        let (objects, _) = manifests::parse("m.yaml", &config_map("istio", mesh_text), "default");
        let (snapshot, problems) = snapshot(&objects, &Assume::default());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(why), "{problems:?}");
        assert_eq!((problems[0].line, problems[0].object.as_deref()), (Some(1), Some("ConfigMap istio-system/istio")));
        assert_eq!(snapshot.profiles[0].config, MeshConfig::default());
    }
}

#[test]
fn the_config_is_read_where_istiod_runs() {
    let elsewhere = config_map("istio", "trustDomain: td").replace("istio-system", "mesh");
    assert_eq!(mesh(&elsewhere).profiles[0].config.trust_domain, "cluster.local");
    let with_istiod = istiod("default", "pilot:1.30.1", "").replace("istio-system", "mesh") + &elsewhere;
    assert_eq!(mesh(&with_istiod).profiles[0].config.trust_domain, "td");
    let told = Assume { istio_namespace: Some("mesh".to_owned()), ..Assume::default() };
    let (there, problems) = snapshot(&clean(&elsewhere), &told);
    assert_eq!((there.profiles[0].config.trust_domain.as_str(), problems.len()), ("td", 0));
    // Told wrongly, somebody hears where it is.
    let told = Assume { istio_namespace: Some("kube-system".to_owned()), ..Assume::default() };
    let (wrong, problems) = snapshot(&clean(&with_istiod), &told);
    assert_eq!(wrong.profiles[0].config.trust_domain, "cluster.local");
    let said: Vec<(&str, Option<&str>)> =
        problems.iter().map(|one| (one.message.as_str(), one.hint.as_deref())).collect();
    let expected = (
        "namespace kube-system has no mesh configuration: Istio's defaults are taken",
        Some("istiod runs in namespace mesh: `-i mesh`"),
    );
    assert_eq!(said, [expected]);
}

#[test]
fn what_is_assumed_wins() {
    let text = istiod("default", "pilot:1.20.0", "") + &config_map("istio", "trustDomain: td");
    let assume = Assume {
        istio_version: Some(IstioVersion::minor(12)),
        mesh_config: Some(json!({"rootNamespace": "x", "enableAutoMtls": false})),
        ..Assume::default()
    };
    let (snapshot, problems) = snapshot(&clean(&text), &assume);
    let profile = &snapshot.profiles[0];
    assert_eq!((profile.version, profile.version_seen, problems.len()), (IstioVersion::minor(12), true, 0));
    assert_eq!(
        (profile.config.root_namespace.as_str(), profile.config.trust_domain.as_str(), profile.config.auto_mtls),
        ("x", "cluster.local", false)
    );
}

#[test]
fn where_no_istiod_is_seen_the_proxies_tell() {
    let pod = |name: &str, revision: &str, image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, uid: '{name}', annotations: {{istio.io/rev: {revision}}}}}\nspec: {{containers: [{{name: app}}, {{name: istio-proxy, image: '{image}'}}]}}\n---\n"
        )
    };
    let text = pod("a", "1-20", "istio/proxyv2:1.20.3")
        + &pod("b", "1-24", "istio/proxyv2:1.24.1")
        + &pod("c", "1-24", "proxyv2");
    let seen: Vec<_> =
        mesh(&text).profiles.into_iter().map(|profile| (profile.revision, profile.version.to_string())).collect();
    assert_eq!(seen, [("1-20".to_owned(), "1.20".to_owned()), ("1-24".to_owned(), "1.24".to_owned())]);
    // istiod decides as soon as it is there.
    let with_istiod = text + &istiod("default", "pilot:1.22.0", "");
    let seen: Vec<_> = mesh(&with_istiod).profiles.into_iter().map(|profile| profile.version.to_string()).collect();
    assert_eq!(seen, ["1.22"]);
}

#[test]
fn a_namespace_bears_the_label_that_the_api_server_gives_it() {
    let namespace = mesh("apiVersion: v1\nkind: Namespace\nmetadata: {name: foo}\n").namespaces.remove(0);
    assert_eq!(namespace.label("kubernetes.io/metadata.name"), Some("foo"));
}
