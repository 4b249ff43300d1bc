//! Mistakes that people make in Istio's policies, each with the line of the field and what was meant.

use kubectl_mtls::decode::schema::{self, FieldProblemKind};
use kubectl_mtls::decode::{Assume, ProblemSeverity, manifests, snapshot};
use serde_json::json;

use super::{place, problems};

/// From a published walk-through: `mtls` indented under `selector` makes a policy without a mode.
const MTLS_UNDER_SELECTOR: &str = r#"apiVersion: "security.istio.io/v1beta1"
kind: "PeerAuthentication"
metadata:
  name: "httpbin"
  namespace: "bar"
spec:
  selector:
    matchLabels:
      app: httpbin
    mtls:
      mode: STRICT
"#;

#[test]
fn mtls_indented_under_the_selector() {
    let (objects, problems) = manifests::parse("pa.yaml", MTLS_UNDER_SELECTOR, "default");
    assert_eq!(
        problems[0].to_string(),
        "pa.yaml:10:5: warning: PeerAuthentication bar/httpbin: `spec.selector.mtls` is no field: an API server drops it, or refuses the object under strict validation
   |
10 |     mtls:
   |     ^^^^
  hint: did you mean `spec.mtls`? `mtls` stands one level too deep"
    );
    // The object counts, as the API server stores it: with its selector, without a mode.
    let (snapshot, _) = snapshot(&objects, &Assume::default());
    assert_eq!(snapshot.peer_authentications[0].mode, None);
    assert_eq!(snapshot.peer_authentications[0].selector["app"], "httpbin");
}

#[test]
fn istio_mutual_with_a_hyphen() {
    let text = "apiVersion: networking.istio.io/v1alpha3\nkind: DestinationRule\nmetadata:\n  name: \"httpbin\"\n  namespace: bar\nspec:\n  host: \"httpbin.bar.svc.cluster.local\"\n  trafficPolicy:\n    tls:\n      mode: ISTIO-MUTUAL\n";
    let (objects, problems) = manifests::parse("dr.yaml", text, "default");
    assert_eq!(objects, []);
    assert_eq!(place(&problems[0]), "dr.yaml:10:13: error: spec.trafficPolicy.tls.mode");
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `ISTIO_MUTUAL`?"));
    assert!(problems[0].message.contains("`ISTIO-MUTUAL`; it is one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL"));
}

#[test]
fn not_request_principals_beside_the_source() {
    let text = "apiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\nmetadata:\n  name: frontend-ingress\n  namespace: istio-system\nspec:\n  selector:\n    matchLabels:\n      istio: ingressgateway\n  action: DENY\n  rules:\n  - from:\n    - source:\n      notRequestPrincipals: [\"*\"]\n";
    let (objects, problems) = manifests::parse("ap.yaml", text, "default");
    assert_eq!(objects, []);
    assert_eq!(
        problems.iter().map(place).collect::<Vec<_>>(),
        [
            "ap.yaml:14:7: warning: spec.rules[0].from[0].notRequestPrincipals",
            "ap.yaml:13:7: error: spec.rules[0].from[0].source"
        ]
    );
    let meant = "did you mean `spec.rules[0].from[0].source.notRequestPrincipals`? `notRequestPrincipals` stands one level too high";
    assert_eq!(problems[0].hint.as_deref(), Some(meant));
}

#[test]
fn unknown_fields_are_traced_to_what_was_meant() {
    let rows = [
        ("mode: STRICT", "spec.mode", "did you mean `spec.mtls.mode`? `mode` stands one level too high"),
        (
            "mtls: {portLevelMtls: {80: {}}}",
            "spec.mtls.portLevelMtls",
            "did you mean `spec.portLevelMtls`? `portLevelMtls` stands one level too deep",
        ),
        ("mTLS: {mode: STRICT}", "spec.mTLS", "did you mean `mtls`?"),
        ("mtls: {Mode: STRICT}", "spec.mtls.Mode", "did you mean `mode`?"),
        ("port_level_mtls: {}", "spec.port_level_mtls", "did you mean `portLevelMtls`?"),
        ("selector: {labels: {app: a}}", "spec.selector.labels", "did you mean `matchLabels`?"),
        ("selector: {app: a}", "spec.selector.app", "did you mean `spec.selector.matchLabels[app]`?"),
    ];
    for (spec, field, hint) in rows {
        let text = format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: a}}\nspec:\n  {spec}\n"
        );
        let problems = problems(&text);
        assert_eq!((problems[0].field.as_deref(), problems[0].hint.as_deref()), (Some(field), Some(hint)), "{spec}");
        assert_eq!((problems[0].line, problems[0].severity), (Some(5), ProblemSeverity::Warning), "{spec}");
    }
}

#[test]
fn fields_at_the_top_and_in_the_metadata() {
    let text = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, lables: {b: c}}\nspec: {host: x}\ntrafficPolicy:\n  tls: {mode: DISABLE}\n";
    let problems = problems(text);
    assert_eq!(
        problems.iter().map(place).collect::<Vec<_>>(),
        ["mesh.yaml:3:21: warning: metadata.lables", "mesh.yaml:5:1: warning: trafficPolicy"]
    );
    assert_eq!(
        problems[1].hint.as_deref(),
        Some("did you mean `spec.trafficPolicy`? `trafficPolicy` stands one level too high")
    );
}

#[test]
fn a_field_without_a_neighbour_gets_no_hint() {
    let object = json!({"kind": "PeerAuthentication", "spec": {"zzz": 1}});
    assert_eq!(schema::check(&object)[0].kind, FieldProblemKind::Unknown { nearest: None });
}

#[test]
fn unquoted_words_are_no_labels() {
    let rows = [
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: on}}\n",
            "mesh.yaml:3:30: error: metadata.labels[app]",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selector:\n    app: x\n    tier: no\n  ports: [{port: 80}]\n",
            "mesh.yaml:7:5: error: spec.selector[tier]",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    metadata:\n      labels: {version: 1}\n",
            "mesh.yaml:7:16: error: spec.template.metadata.labels[version]",
        ),
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  selector:\n    matchLabels:\n      app: off\n",
            "mesh.yaml:7:7: error: spec.selector.matchLabels[app]",
        ),
        ("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: y\n", "mesh.yaml:4:3: error: metadata.name"),
    ];
    for (text, expected) in rows {
        let problems = problems(text);
        assert_eq!(problems.iter().map(place).collect::<Vec<_>>(), [expected]);
        assert!(problems[0].hint.as_deref().is_some_and(|hint| hint.starts_with("write it in quotes")), "{problems:?}");
    }
}

#[test]
fn fields_are_found_in_every_style() {
    let rows = [
        // Flow style.
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {selector: {matchLabels: {a: b},\n  mtls: {mode: STRICT}}}\n",
            "mesh.yaml:5:3: warning: spec.selector.mtls",
        ),
        // JSON.
        (
            "{\"apiVersion\": \"security.istio.io/v1\", \"kind\": \"PeerAuthentication\",\n \"metadata\": {\"name\": \"a\"},\n \"spec\": {\"selector\": {\n   \"mtls\": {}}}}",
            "mesh.yaml:4:4: warning: spec.selector.mtls",
        ),
        // A list in YAML, after another document.
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: security.istio.io/v1\n  kind: PeerAuthentication\n  metadata: {name: a}\n  spec:\n    selector:\n      mtls: {}\n",
            "mesh.yaml:13:7: warning: spec.selector.mtls",
        ),
        // A list in JSON.
        (
            "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{\"apiVersion\": \"security.istio.io/v1\", \"kind\": \"PeerAuthentication\", \"metadata\": {\"name\": \"a\"}, \"spec\": {\n\"selector\": {\"mtls\": {}}}}]}",
            "mesh.yaml:3:14: warning: spec.selector.mtls",
        ),
        // Two documents without a marker between.
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n...\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  selector:\n    mtls: {}\n",
            "mesh.yaml:10:5: warning: spec.selector.mtls",
        ),
        // Columns count characters, whatever stands before.
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {selector: {matchLabels: {ключ: é}, mtls: {}}}\n",
            "mesh.yaml:4:43: warning: spec.selector.mtls",
        ),
        // A field that came by a merge stands where it is merged.
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, annotations: &x {mtls: b}}\nspec:\n  selector:\n    <<: *x\n",
            "mesh.yaml:5:3: warning: spec.selector.mtls",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(problems(text).iter().map(place).collect::<Vec<_>>(), [expected], "{text}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_field() {
    let labels: Vec<String> = (0..60).map(|number| format!("\"label-{number}\": \"x\"")).collect();
    let text = format!(
        "{{\"apiVersion\": \"security.istio.io/v1\", \"kind\": \"PeerAuthentication\", \"metadata\": {{\"name\": \"a\", \"labels\": {{{}}}}}, \"spec\": {{\"selector\": {{\"mtls\": {{}}}}}}}}",
        labels.join(", ")
    );
    let snippet = problems(&text)[0].snippet.clone().unwrap();
    let rows: Vec<&str> = snippet.lines().collect();
    assert!(rows.iter().all(|row| row.len() < 120), "{snippet}");
    let mark = rows[2].find('^').unwrap();
    assert!(rows[1][mark..].starts_with("\"mtls\""), "{snippet}");
}

#[test]
fn an_object_that_was_let_in_stays_whatever_is_wrong_with_it() {
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, uid: 1234-5678}\nspec:\n  portLevelMtls: {80: {mode: DISABLE}}\n";
    let (objects, problems) = manifests::parse("live.yaml", text, "default");
    assert_eq!(objects.len(), 1);
    assert_eq!(problems.iter().map(place).collect::<Vec<_>>(), ["live.yaml:5:3: warning: spec.portLevelMtls"]);
}

#[test]
fn a_version_that_is_not_served() {
    let problems = problems("apiVersion: security.istio.io/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a}\n");
    assert_eq!(problems[0].severity, ProblemSeverity::Error);
    assert_eq!(problems[0].hint.as_deref(), Some("the versions that are served: v1, v1beta1"));
}

#[test]
fn what_was_applied_and_dropped_is_told_from_the_note_of_kubectl() {
    let applied = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "httpbin", "namespace": "bar"},
        "spec": {"selector": {"matchLabels": {"app": "httpbin"}, "mtls": {"mode": "STRICT"}}}
    });
    let stored = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "httpbin", "namespace": "bar", "uid": "1", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": applied.to_string()
        }},
        "spec": {"selector": {"matchLabels": {"app": "httpbin"}}}
    });
    let loaded = [kubectl_mtls::decode::Loaded { object: stored, origin: None }];
    let (_, problems) = snapshot(&loaded, &Assume::default());
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "warning: PeerAuthentication bar/httpbin: `spec.selector.mtls` was applied and is no field: it was dropped\n  hint: did you mean `spec.mtls`? `mtls` stands one level too deep"
    );
}

#[test]
fn pruning_leaves_what_an_api_server_stores() {
    let mut object = json!({
        "apiVersion": "security.istio.io/v1beta1", "kind": "PeerAuthentication",
        "metadata": {"name": "a", "labels": {"x": "y"}, "oops": 1},
        "spec": {"selector": {"matchLabels": {"app": "a"}, "mtls": {"mode": "STRICT"}}, "mtls": null,
                 "portLevelMtls": {"80": {"mode": "DISABLE", "x": 1}}},
        "status": {"anything": 1}, "extra": true
    });
    schema::prune(&mut object);
    assert_eq!(
        object,
        json!({
            "apiVersion": "security.istio.io/v1beta1", "kind": "PeerAuthentication",
            "metadata": {"name": "a", "labels": {"x": "y"}},
            "spec": {"selector": {"matchLabels": {"app": "a"}}, "portLevelMtls": {"80": {"mode": "DISABLE"}}},
            "status": {"anything": 1}
        })
    );
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"anything": 1}});
    let before = pod.clone();
    schema::prune(&mut pod);
    assert_eq!(pod, before);
}

/// What is shown of a line is decided for its own document, and once for all problems of a file.
#[test]
fn only_documents_that_may_hold_secrets_show_no_line() {
    let policy = |name: &str, note: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: foo{note}}}\n\
             spec: {{mtsl: {{mode: STRICT}}}}\n"
        )
    };
    let text = [policy("a", ""), policy("b", ", labels: {of: Secret}"), policy("c", "")].join("---\n");
    let shown: Vec<bool> = problems(&text).iter().map(|problem| problem.snippet.is_some()).collect();
    assert_eq!(shown, [true, false, true]);
}
