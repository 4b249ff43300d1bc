//! Reports made by hand. The nine pairs are those of the Istio tutorial's three namespaces: `foo` and `bar` with
//! sidecars, `legacy` without; `dr/httpbin.bar` says DISABLE against the STRICT of `pa/httpbin.bar`.

#![expect(clippy::expect_used, reason = "a printer that cannot write to a vector is a failed test")]

use kubectl_mtls::model::derivation::{Layer, PolicyKind, PolicyRef};
use kubectl_mtls::model::evidence::Program;
use kubectl_mtls::model::wire::{Outcome, Why, Wire};
use kubectl_mtls::model::workload::ProxyKind;
use kubectl_mtls::print::{Format, Style, print};
use kubectl_mtls::verdict::report::told::{EndpointToldView, ProgrammedView};
use kubectl_mtls::verdict::report::{
    AcceptsView, ClientView, EndpointView, Finding, Heard, IntentView, Listed, MeshView, ObservedView, OneOrMany,
    OriginatesView, Pair, PeerView, Report, RevisionView, SeenView, ServerView, Severity, Summary, UnseenView,
};

/// What a printer writes.
pub(super) fn printed(report: &Report, format: &Format, style: &Style) -> String {
    let mut out = Vec::new();
    print(report, format, style, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("printers write text")
}

pub(super) fn report(pairs: Vec<Pair>, findings: Vec<Finding>) -> Report {
    Report {
        api_version: "kubectl-mtls/v1",
        kind: "Report",
        mesh: MeshView {
            root_namespace: "istio-system".to_owned(),
            auto_mtls: true,
            trust_domain: "cluster.local".to_owned(),
            revisions: vec![RevisionView {
                name: "default".to_owned(),
                istio_version: "1.31".to_owned(),
                version_seen: true,
            }],
            not_judged: Vec::new(),
        },
        summary: Summary::of(&pairs),
        pairs,
        findings,
        unseen: Vec::new(),
        traffic: Vec::new(),
        arrival: None,
        negative_tests: Vec::new(),
        debug_containers: Vec::new(),
        also_broken: Vec::new(),
        listed: Listed::Each,
    }
}

/// A pair by policy alone: plaintext accepted by a pod without sidecar.
pub(super) fn pair(client: (&str, &str), server: (&str, &str)) -> Pair {
    let no_sidecar = PolicyRef::default_of(PolicyKind::NoProxy);
    let outcome = Outcome { wire: Wire::Plaintext, why: Why::NoProxyAtServer };
    Pair {
        id: format!("{}/{}->{}/{}:8000", client.1, client.0, server.1, server.0),
        client: ClientView {
            namespace: client.1.to_owned(),
            workload: client.0.to_owned(),
            pod: format!("{}-7c", client.0),
            proxy: ProxyKind::Sidecar,
            service_account: client.0.to_owned(),
            told_apart: false,
        },
        server: ServerView {
            namespace: server.1.to_owned(),
            service: Some(server.0.to_owned()),
            host: None,
            port: 8000,
            port_name: "http".to_owned(),
            protocol: "http",
        },
        verdict: outcome.wire,
        confirmed_by: vec!["intent"],
        conflict: false,
        originates: OriginatesView {
            kind: "plaintext",
            mode: "AUTO",
            decided_by: PolicyRef::default_of(PolicyKind::AutoMtls),
            layers: Vec::new(),
        },
        endpoints: vec![endpoint(server, "NO_PROXY", outcome)],
        intent: IntentView {
            wire: outcome.wire,
            why: Some(outcome.why.as_str()),
            http: Some(OneOrMany::One("200".to_owned())),
            exit: Some(OneOrMany::One(0)),
            because: "plaintext to a pod without sidecar".to_owned(),
        },
        tcp: None,
        programmed: ProgrammedView::Unseen(UnseenView { unseen: "not-requested", detail: None }),
        observed: ObservedView::Unseen(UnseenView { unseen: "not-requested", detail: None }),
        decided_by: no_sidecar,
        responsible: Vec::new(),
        gaps: Vec::new(),
        being_pushed: Vec::new(),
        findings: Vec::new(),
        ruled_out: Vec::new(),
        more: 0,
    }
}

pub(super) fn endpoint(server: (&str, &str), mode: &'static str, outcome: Outcome) -> EndpointView {
    EndpointView {
        namespace: server.1.to_owned(),
        pod: Some(format!("{}-6f", server.0)),
        workload: server.0.to_owned(),
        address: Some("10.244.0.7".to_owned()),
        port: 80,
        proxy: if mode == "NO_PROXY" { ProxyKind::None } else { ProxyKind::Sidecar },
        is_self: false,
        accepts: AcceptsView {
            mode,
            decided_by: PolicyRef::default_of(PolicyKind::DefaultPermissive),
            layers: Vec::new(),
        },
        intent: outcome,
        tcp: None,
        programmed: EndpointToldView::Unseen(UnseenView { unseen: "not-requested", detail: None }),
        observed: UnseenView { unseen: "through-service", detail: None },
    }
}

pub(super) fn policy(kind: PolicyKind, layer: Layer, name: &str, namespace: &str) -> PolicyRef {
    PolicyRef {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        layer,
        ..PolicyRef::default_of(kind)
    }
}

/// What curl saw: status, exit code, the caller's identity in XFCC.
pub(super) fn seen(wire: Wire, http: &str, exit: u8, peer: PeerView, server: Option<&str>) -> ObservedView {
    ObservedView::Seen(Box::new(SeenView {
        wire,
        why: "status",
        http: http.to_owned(),
        exit,
        requests: 1,
        causes: Vec::new(),
        answers: Vec::new(),
        at_first: None,
        unsettled: false,
        heard: Heard::default(),
        flags: Vec::new(),
        program: Program::Curl,
        message: None,
        answered_by: "application",
        server: server.map(ToOwned::to_owned),
        body: None,
        peer,
    }))
}

pub(super) fn finding(code: &'static str, severity: Severity, title: &str, pairs: &[&str]) -> Finding {
    Finding {
        id: format!("{code}/bar/httpbin"),
        code,
        severity,
        title: title.to_owned(),
        pair_count: pairs.len(),
        pairs: pairs.iter().map(|id| (*id).to_owned()).collect(),
        objects: Vec::new(),
        fixes: Vec::new(),
    }
}

/// Changes a pair to a server with a sidecar.
fn to_sidecar(pair: &mut Pair, mode: &'static str, outcome: Outcome, decided_by: PolicyRef) {
    pair.verdict = outcome.wire;
    pair.intent.wire = outcome.wire;
    pair.intent.why = Some(outcome.why.as_str());
    pair.endpoints = vec![endpoint(("httpbin", &pair.server.namespace), mode, outcome)];
    pair.decided_by = decided_by;
}

fn mutual_tls(client: (&str, &str), server: (&str, &str)) -> Pair {
    let mut pair = pair(client, server);
    let strict = policy(PolicyKind::PeerAuthentication, Layer::Namespace, "default", "foo");
    to_sidecar(&mut pair, "STRICT", Outcome { wire: Wire::MutualTls, why: Why::MutualTls }, strict);
    pair.originates.kind = "mutual-tls";
    let uri = format!("spiffe://cluster.local/ns/{}/sa/{}", client.1, client.0);
    let by = format!("spiffe://cluster.local/ns/{}/sa/{}", server.1, server.0);
    pair.observed = seen(Wire::MutualTls, "200", 0, PeerView::Seen { uri, by }, Some("envoy"));
    pair
}

fn conflict(client: (&str, &str)) -> Pair {
    let mut pair = pair(client, ("httpbin", "bar"));
    let disable = policy(PolicyKind::DestinationRule, Layer::TrafficPolicy, "httpbin", "bar");
    to_sidecar(&mut pair, "STRICT", Outcome { wire: Wire::Refused, why: Why::NoFilterChain }, disable);
    pair.originates.mode = "DISABLE";
    pair.conflict = true;
    pair.observed = seen(Wire::Refused, "503", 0, PeerView::Absent { absent: "no-answer" }, Some("envoy"));
    pair.findings = vec!["MTLS101/bar/httpbin".to_owned()];
    pair
}

/// A client without sidecar towards STRICT.
fn refused(server: (&str, &str), strict: PolicyRef) -> Pair {
    let mut pair = pair(("sleep", "legacy"), server);
    to_sidecar(&mut pair, "STRICT", Outcome { wire: Wire::Refused, why: Why::NoFilterChain }, strict);
    pair.client.proxy = ProxyKind::None;
    pair.originates.mode = "NO_PROXY";
    pair.observed = seen(Wire::Refused, "000", 56, PeerView::Absent { absent: "no-answer" }, None);
    pair
}

fn to_legacy(client: (&str, &str)) -> Pair {
    let mut pair = pair(client, ("httpbin", "legacy"));
    if client.1 == "legacy" {
        pair.client.proxy = ProxyKind::None;
        pair.originates.mode = "NO_PROXY";
    }
    pair.observed = seen(Wire::Plaintext, "200", 0, PeerView::Absent { absent: "plaintext" }, Some("gunicorn/19.9.0"));
    pair
}

/// The nine pairs, seen by all three witnesses.
pub(super) fn tutorial() -> Report {
    let bar_strict = || policy(PolicyKind::PeerAuthentication, Layer::Workload, "httpbin", "bar");
    let foo_strict = || policy(PolicyKind::PeerAuthentication, Layer::Namespace, "default", "foo");
    let mut pairs = vec![
        conflict(("sleep", "bar")),
        mutual_tls(("sleep", "bar"), ("httpbin", "foo")),
        to_legacy(("sleep", "bar")),
        conflict(("sleep", "foo")),
        mutual_tls(("sleep", "foo"), ("httpbin", "foo")),
        to_legacy(("sleep", "foo")),
        refused(("httpbin", "bar"), bar_strict()),
        refused(("httpbin", "foo"), foo_strict()),
        to_legacy(("sleep", "legacy")),
    ];
    for pair in &mut pairs {
        pair.confirmed_by = vec!["intent", "programmed", "observed"];
    }
    let findings = vec![
        finding(
            "MTLS101",
            Severity::Error,
            "dr/httpbin.bar DISABLE against pa/httpbin.bar STRICT: 2 pairs get 503 (dr changed 14m ago by argocd)",
            &["bar/sleep->bar/httpbin:8000", "foo/sleep->bar/httpbin:8000"],
        ),
        finding(
            "MTLS104",
            Severity::Info,
            "pa/default.foo, pa/httpbin.bar refuse sleep.legacy (no sidecar): STRICT as written",
            &["legacy/sleep->bar/httpbin:8000", "legacy/sleep->foo/httpbin:8000"],
        ),
    ];
    report(pairs, findings)
}
