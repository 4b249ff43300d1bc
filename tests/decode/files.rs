//! Files as they come: several documents, lists, both formats, odd bytes.

use kubectl_mtls::decode::{Loaded, ProblemSeverity, manifests};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::{clean, place, problems};

/// `kind/name@line` of each object.
fn outline(objects: &[Loaded]) -> Vec<String> {
    let text = |object: &Loaded, pointer: &str| {
        object.object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("-").to_owned()
    };
    objects
        .iter()
        .map(|loaded| {
            let line = loaded.origin.as_ref().map_or(0, |origin| origin.line);
            format!("{}/{}@{line}", text(loaded, "/kind"), text(loaded, "/metadata/name"))
        })
        .collect()
}

#[test]
fn documents_comments_and_empty_documents() {
    let text = "# a comment\n---\n# only a comment\n---\n---\n\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n--- # next\n\n# and\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n...\n---\n";
    assert_eq!(outline(&clean(text)), ["Namespace/a@7", "Namespace/b@13"]);
}

#[test]
fn nothing_is_nothing() {
    for text in ["", "\n\n", "# comment\n", "---\n", "---\n---\n", "\u{feff}", "null\n", "~"] {
        assert_eq!(clean(text), []);
    }
}

#[test]
fn a_byte_order_mark_carriage_returns_and_a_directive() {
    let text = "\u{feff}%YAML 1.2\r\n---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: a\r\n---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: b\r\n";
    assert_eq!(outline(&clean(text)), ["Namespace/a@3", "Namespace/b@8"]);
}

#[test]
fn lists_in_yaml_know_the_lines_of_their_items() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n# between\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: c}\n";
    // A list within a list is rare: its items have the line of the inner list.
    assert_eq!(outline(&clean(text)), ["Namespace/a@4", "Namespace/b@8", "Namespace/c@12"]);
}

#[test]
fn lists_in_json_know_the_lines_of_their_items() {
    let text = "{\n  \"apiVersion\": \"v1\",\n  \"items\": [\n    {\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"a\"}},\n    {\n      \"apiVersion\": \"v1\",\n      \"kind\": \"Namespace\",\n      \"metadata\": {\"name\": \"b\"}\n    }\n  ],\n  \"kind\": \"List\"\n}\n";
    assert_eq!(outline(&clean(text)), ["Namespace/a@4", "Namespace/b@5"]);
}

#[test]
fn items_of_a_list_of_one_kind_are_of_that_kind() {
    let json = r#"{"apiVersion": "v1", "kind": "NamespaceList", "items": [{"metadata": {"name": "a"}}]}"#;
    let yaml = "apiVersion: v1\nkind: NamespaceList\nitems:\n- metadata: {name: a}\n";
    assert_eq!(outline(&clean(json)), ["Namespace/a@1"]);
    assert_eq!(outline(&clean(yaml)), ["Namespace/a@4"]);
}

#[test]
fn json_between_yaml_and_json_values_in_a_row() {
    let one = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}"#;
    let text = format!("---\n{one}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: w}}\n--- {one}\n{one}\n");
    let expected = ["Namespace/x@2", "Namespace/w@4", "Namespace/x@7", "Namespace/x@8"];
    assert_eq!(outline(&clean(&text)), expected);
    // Not JSON, but YAML in braces.
    assert_eq!(outline(&clean("{apiVersion: v1, kind: Namespace, metadata: {name: z}}")), ["Namespace/z@1"]);
}

#[test]
fn a_broken_document_costs_no_other() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: [\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n---\na: b: c\n";
    let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
    assert_eq!(outline(&objects), ["Namespace/a@1", "Namespace/b@7"]);
    let lines: Vec<Option<u64>> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines.last(), Some(&Some(11)));
    assert_eq!(lines.len(), 2);
    assert!(problems.iter().all(|problem| problem.severity == ProblemSeverity::Error));
}

#[test]
fn what_cannot_be_read_is_shown() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nmetadata:\n  name: b\n   kind: Pod\n";
    let problems = problems(text);
    assert_eq!(
        problems[0].to_string(),
        "mesh.yaml:7:8: error: this document cannot be read: mapping values are not allowed in this context
  |
7 |    kind: Pod
  |        ^"
    );
}

#[test]
fn tabs_and_templates_get_a_hint() {
    let tab = problems("metadata:\n\tname: a\n");
    assert_eq!(
        (tab[0].line, tab[0].hint.as_deref()),
        (Some(2), Some("YAML takes no tabs for indentation: use spaces"))
    );
    let template = problems("kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n");
    assert_eq!(template[0].line, Some(3));
    assert!(template[0].hint.as_deref().is_some_and(|hint| hint.contains("helm template")), "{template:?}");
}

#[test]
fn a_key_that_stands_twice_is_said_and_the_last_one_counts() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  mtls: {mode: STRICT}\n  mtls:\n    mode: DISABLE\n    mode: PERMISSIVE\n";
    let json = "{\"apiVersion\": \"security.istio.io/v1\", \"kind\": \"PeerAuthentication\", \"metadata\": {\"name\": \"a\"},\n \"spec\": {\"mtls\": {\"mode\": \"STRICT\"},\n  \"mtls\": {\"mode\": \"DISABLE\",\n \"mode\": \"PERMISSIVE\"}}}";
    let expected = [
        (yaml, ["mesh.yaml:6:3: warning: spec.mtls", "mesh.yaml:8:5: warning: spec.mtls.mode"]),
        (json, ["mesh.yaml:3:3: warning: spec.mtls", "mesh.yaml:4:2: warning: spec.mtls.mode"]),
    ];
    for (text, places) in expected {
        let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
        assert_eq!(problems.iter().map(place).collect::<Vec<_>>(), places);
        assert_eq!(objects[0].object["spec"]["mtls"]["mode"], "PERMISSIVE");
    }
}

#[test]
fn what_is_no_object_is_an_error_with_its_line() {
    for (text, line) in [
        ("---\nhello\n", 2),
        ("- a\n- b\n", 1),
        ("# values\n\nreplicas: 3\n", 3),
        ("Kind: PeerAuthentication\napiVersion: security.istio.io/v1\n", 1),
        ("apiVersion: v1\nkind: Service\nmetadata: {namespace: foo}\n", 1),
    ] {
        let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
        assert_eq!(objects, [], "{text}");
        assert_eq!((problems[0].severity, problems[0].line), (ProblemSeverity::Error, Some(line)), "{text}");
    }
}

#[test]
fn namespaced_objects_get_the_default_namespace_and_others_do_not() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: t, namespace: foo}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: c}\n";
    let (objects, _) = manifests::parse("-", text, "bar");
    let namespaces: Vec<_> = objects.iter().map(|loaded| loaded.object["metadata"]["namespace"].as_str()).collect();
    assert_eq!(namespaces, [None, Some("bar"), Some("foo"), None]);
}

#[test]
fn yaml_means_what_kubectl_takes_it_for() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbase: &base {x: 1}\nmerged: {<<: *base, y: 2}\noctal: 0644\nyes: on\nno: [off, y, n]\ntime: 2026-01-01T00:00:00Z\nversion: 1.10\nemoji: \"\\ud83d\\ude00\"\n";
    let object = &clean(text)[0].object;
    assert_eq!(object["merged"], serde_json::json!({"x": 1, "y": 2}));
    assert_eq!(object["octal"], 420);
    assert_eq!(object["yes"], true);
    assert_eq!(object["no"], serde_json::json!([false, true, false]));
    assert_eq!(object["time"], "2026-01-01T00:00:00Z");
    assert_eq!(object["version"], 1.1);
    assert_eq!(object["emoji"], "\u{1f600}");
}

#[test]
fn deep_nesting_and_alias_bombs_end_with_an_error() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        bomb = [bomb, format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", "))].concat();
    }
    for text in ["[".repeat(200_000), "{\"a\":".repeat(200_000), "- ".repeat(200_000), bomb] {
        let (objects, problems) = manifests::parse("bomb", &text, "default");
        assert_eq!((objects.len(), problems.is_empty()), (0, false));
    }
}

#[test]
fn comments_are_free_and_depth_is_not() {
    let comments = "  # a comment\n".repeat(2000);
    let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n{comments}  name: a\n");
    assert_eq!(outline(&clean(&text)), ["ConfigMap/a@1"]);
    let nested = |depth: usize| format!("{}1{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
    let object =
        |depth: usize| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndeep: {}\n", nested(depth));
    assert_eq!(outline(&clean(&object(60))), ["ConfigMap/a@1"]);
    assert_eq!(problems(&object(300)).len(), 1);
}

/// What YAML is made of, and what manifests are.
const WORDS: [&str; 46] = [
    "\n",
    "\n",
    "\r\n",
    " ",
    "  ",
    "\t",
    "-",
    "- ",
    "---",
    "...",
    ":",
    ": ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<",
    "|",
    ">",
    "# ",
    "%",
    "!!",
    "é",
    "\u{feff}",
    "kind",
    "List",
    "items",
    "metadata",
    "name",
    "spec",
    "selector",
    "mtls",
    "STRICT",
    "apiVersion",
    "v1",
    "PeerAuthentication",
    "security.istio.io/v1",
    "0",
    "80",
    "on",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = manifests::parse("any", &String::from_utf8_lossy(&bytes), "default");
    }

    #[test]
    fn yaml_like_text_is_read_without_a_panic(
        words in prop::collection::vec(prop::sample::select(&WORDS), 0..80),
    ) {
        let _ = manifests::parse("any", &words.concat(), "default");
    }
}
