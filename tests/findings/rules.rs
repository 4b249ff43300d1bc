//! DestinationRules that reach nobody, lose their TLS, or stand beside another one.

use crate::findings::world::{dr, says, silent};

const HTTPBIN: &str = "host: httpbin.foo.svc.cluster.local";
const DISABLE: &str = "trafficPolicy: {tls: {mode: DISABLE}}";
const POOL: &str = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}";

fn httpbin(namespace: &str, name: &str, rest: &str) -> String {
    dr(namespace, name, &format!("{{{HTTPBIN}, {rest}}}"))
}

#[test]
fn a_rule_in_a_namespace_that_is_not_looked_up() {
    says(
        &httpbin("legacy", "far", DISABLE),
        &[
            "MTLS208 no client gets dr/far.legacy: rules for httpbin.foo.svc.cluster.local are looked up in the client's \
           namespace, in foo and in istio-system; legacy has no client with a sidecar",
        ],
    );
    // Its own clients get it, the service's namespace's rules everybody, and those of the root namespace.
    for namespace in ["foo", "istio-system"] {
        silent(&httpbin(namespace, "near", DISABLE));
    }
    let client = "apiVersion: v1\nkind: Pod\nmetadata: {name: new, namespace: legacy, labels: {app: new, \
                  sidecar.istio.io/inject: 'true'}}\nspec: {containers: [{name: new, image: new}]}\n---\n";
    silent(&(httpbin("legacy", "far", DISABLE) + client));
}

#[test]
fn a_rule_that_is_exported_to_nobody() {
    says(
        &httpbin("foo", "near", &format!("exportTo: [legacy], {DISABLE}")),
        &["MTLS208 no client gets dr/near.foo: its exportTo [legacy] reaches no client with a sidecar"],
    );
    silent(&httpbin("foo", "near", &format!("exportTo: ['.'], {DISABLE}")));
    silent(&httpbin("foo", "near", &format!("exportTo: ['*'], {DISABLE}")));
}

#[test]
fn a_workload_selector_selects_clients() {
    let of =
        |app: &str| httpbin("foo", "some", &format!("workloadSelector: {{matchLabels: {{app: {app}}}}}, {DISABLE}"));
    says(
        &of("crawler"),
        &["MTLS206 dr/some.foo is for no client: workloadSelector selects clients, and no pod of foo has app=crawler"],
    );
    silent(&of("sleep"));
    // The host is looked up before the selector: what lies behind it is hidden all the same.
    says(
        &(of("crawler") + &dr("foo", "wide", &format!("{{host: '*', {DISABLE}}}"))),
        &[
            "MTLS206 dr/some.foo is for no client: workloadSelector selects clients, and no pod of foo has app=crawler, and it \
           keeps dr/wide.foo from the clients there",
        ],
    );
}

#[test]
fn of_two_rules_for_a_host_one_policy_counts() {
    says(
        &(httpbin("foo", "a", POOL) + &httpbin("foo", "b", DISABLE)),
        &[
            "MTLS212 the trafficPolicy of dr/b.foo does not count, tls DISABLE with it: `a` is for the same host, and one \
           trafficPolicy counts, whole",
        ],
    );
    // The first has none, or the second only subsets.
    let subsets = "subsets: [{name: v1, labels: {app: httpbin}}]";
    silent(&(httpbin("foo", "a", subsets) + &httpbin("foo", "b", DISABLE)));
    silent(&(httpbin("foo", "a", DISABLE) + &httpbin("foo", "b", subsets)));
    // Of rules that are not merged the youngest counts.
    says(
        &(httpbin("foo", "a", DISABLE) + &httpbin("foo", "b", &format!("exportTo: ['*'], {POOL}"))),
        &[
            "MTLS212 the trafficPolicy of dr/a.foo does not count, tls DISABLE with it: `b` is for the same host, and one \
           trafficPolicy counts, whole",
        ],
    );
}

#[test]
fn a_narrower_rule_takes_the_place_of_a_wider_ones_tls() {
    let wide = |mode: &str| {
        dr("foo", "wide", &format!("{{host: '*.foo.svc.cluster.local', trafficPolicy: {{tls: {{mode: {mode}}}}}}}"))
    };
    says(
        &(wide("DISABLE") + &httpbin("foo", "narrow", POOL)),
        &[
            "MTLS209 dr/narrow.foo says nothing of tls and takes the place of dr/wide.foo: its tls DISABLE does not count for \
           httpbin.foo.svc.cluster.local",
        ],
    );
    // Automatic mutual TLS does what ISTIO_MUTUAL asks for; a rule with tls of its own has its own will.
    silent(&(wide("ISTIO_MUTUAL") + &httpbin("foo", "narrow", POOL)));
    silent(&(wide("DISABLE") + &httpbin("foo", "narrow", DISABLE)));
    // A rule of the root namespace is looked up last.
    let root = dr("istio-system", "all", "{host: '*.local', trafficPolicy: {tls: {mode: DISABLE}}}");
    says(
        &(root + &httpbin("foo", "narrow", POOL)),
        &[
            "MTLS209 dr/narrow.foo says nothing of tls and takes the place of dr/all.istio-system: its tls DISABLE does not \
           count for httpbin.foo.svc.cluster.local",
        ],
    );
}

#[test]
fn a_port_entry_replaces_the_whole_policy() {
    let of = |mode: &str, entry: &str| {
        let ports = format!("portLevelSettings: [{{port: {{number: 8000}}, {entry}}}]");
        httpbin("foo", "rule", &format!("trafficPolicy: {{tls: {{mode: {mode}}}, {ports}}}"))
    };
    let pool = "connectionPool: {tcp: {maxConnections: 1}}";
    says(
        &of("SIMPLE", pool),
        &[
            "MTLS210 dr/rule.foo: the entry of port 8000 has no tls and replaces tls SIMPLE whole, which does not count there",
        ],
    );
    silent(&of("SIMPLE", "tls: {mode: SIMPLE}"));
    silent(&of("ISTIO_MUTUAL", pool));
    // Endpoints stay unmarked by the top level: plaintext with or without the entry.
    silent(&of("DISABLE", pool));
}

#[test]
fn port_level_settings_count_service_ports() {
    let of = |port: u16| {
        let entry = format!("portLevelSettings: [{{port: {{number: {port}}}, tls: {{mode: DISABLE}}}}]");
        httpbin("foo", "rule", &format!("trafficPolicy: {{{entry}}}"))
    };
    says(
        &of(80),
        &[
            "MTLS217 dr/rule.foo: portLevelSettings counts the Service's ports, and httpbin.foo.svc.cluster.local has no port \
           80, only 8000",
        ],
    );
    silent(&of(8000));
}

#[test]
fn tls_without_a_mode_is_disable() {
    for tls in ["{}", "{sni: x}"] {
        says(
            &httpbin("foo", "rule", &format!("trafficPolicy: {{tls: {tls}}}")),
            &[
                "MTLS211 dr/rule.foo: `spec.trafficPolicy.tls` names no mode, which means DISABLE: clients send plaintext",
            ],
        );
    }
    silent(&httpbin("foo", "rule", DISABLE));
}

#[test]
fn a_subset_that_no_endpoint_is_in() {
    let of = |label: &str, policy: &str| {
        httpbin("foo", "rule", &format!("subsets: [{{name: v2, labels: {{app: {label}}}{policy}}}]"))
    };
    let tls = ", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}";
    says(&of("httpbin-v2", tls), &["MTLS216 dr/rule.foo: no endpoint is in subset `v2`, which has tls of its own"]);
    silent(&of("httpbin", tls));
    // Without tls of its own it is none of our business.
    silent(&of("httpbin-v2", ""));
}

#[test]
fn a_field_at_the_wrong_place_is_lost() {
    says(
        &httpbin("foo", "rule", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, tls: {mode: DISABLE}}}"),
        &[
            "MTLS205 dr/rule.foo: `spec.trafficPolicy.connectionPool.tls` (did you mean `spec.trafficPolicy.tls`?) is no field \
           and is dropped",
        ],
    );
}
