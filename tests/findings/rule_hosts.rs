//! DestinationRules whose host no service has.

use crate::findings::world::{alone, dr, says, silent, told};

fn host(namespace: &str, host: &str) -> String {
    dr(
        namespace,
        "rule",
        &format!("{{host: {host}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 1}}}}}}}}"),
    )
}

#[test]
fn a_name_with_a_dot_is_taken_as_it_is() {
    for written in ["httpbin.foo", "httpbin.foo.svc"] {
        let expected = format!(
            "MTLS207 dr/rule.foo does nothing: its host `{written}` is taken as it is, for it has a dot; write \
             `httpbin.foo.svc.cluster.local`"
        );
        says(&host("foo", written), &[&expected]);
    }
}

#[test]
fn a_short_name_belongs_to_the_rules_own_namespace() {
    says(
        &host("legacy", "web"),
        &[
            "MTLS207 dr/rule.legacy does nothing: its host `web` is completed with its own namespace, and no Service is \
           named web.legacy.svc.cluster.local; write `web.foo.svc.cluster.local`",
        ],
    );
    says(
        &host("foo", "database"),
        &["MTLS207 dr/rule.foo does nothing: its host `database` stands for database.foo.svc.cluster.local, and no \
           Service is named so"],
    );
    silent(&host("foo", "httpbin"));
}

#[test]
fn a_full_name_of_the_wrong_namespace() {
    says(
        &host("foo", "web.legacy.svc.cluster.local"),
        &[
            "MTLS207 dr/rule.foo does nothing: no Service or ServiceEntry has the host web.legacy.svc.cluster.local; did \
           you mean `web.foo.svc.cluster.local`?",
        ],
    );
}

#[test]
fn wildcards_and_entries_name_what_they_cover() {
    silent(&host("foo", "'*.foo.svc.cluster.local'"));
    silent(&host("foo", "'*'"));
    says(
        &host("foo", "'*.shop.legacy.svc.cluster.local'"),
        &["MTLS207 dr/rule.foo does nothing: no Service or ServiceEntry has the host *.shop.legacy.svc.cluster.local"],
    );
    let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: api, namespace: foo}\n\
                 spec: {hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}\n---\n";
    silent(&(host("foo", "api.example.com") + entry));
    silent(&(host("foo", "'*.example.com'") + entry));
}

#[test]
fn a_host_that_somebody_elses_manifests_may_have_is_not_missing() {
    silent(&host("foo", "api.example.com"));
    silent(&host("foo", "web.shop.svc.cluster.local"));
    assert_eq!(told(&alone(&host("shop", "web"))), Vec::<String>::new());
}
