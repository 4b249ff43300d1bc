//! kubectl's template language.
//!
//! Expected values are what client-go answers (`util/jsonpath/jsonpath_test.go`, Apache-2.0, describes the cases; the
//! documents here are our own), worked out from `util/jsonpath/jsonpath.go`.

use kubectl_mtls::print::jsonpath::{EvaluationError, SyntaxError, Template};
use serde_json::{Value, json};

/// What kubectl prints by default: a key that is missing prints nothing.
fn rendered(template: &str, document: &Value) -> String {
    match Template::parse(template).map(|template| template.render(document)) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => format!("<<{}>>", error.source),
        Err(error) => format!("<<{error}>>"),
    }
}

/// The same with `--allow-missing-template-keys=false`.
fn strictly(template: &str, document: &Value) -> String {
    match Template::parse(template).map(|template| template.allow_missing_keys(false).render(document)) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => format!("<<{}>>", error.source),
        Err(error) => format!("<<{error}>>"),
    }
}

fn check(document: &Value, cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(rendered(template, document), *expected, "{template}");
    }
}

fn pods() -> Value {
    json!({
        "kind": "List",
        "items": [
            { "metadata": { "name": "sleep", "labels": { "app.kubernetes.io/name": "sleep", "k8s-app": "curl", "web/html": 15 } },
              "status": { "phase": "Running", "ready": true, "restarts": 3, "capacity": { "memory": "1Gi", "cpu": "4" },
                          "addresses": [ { "ip": "10.0.0.1" } ] } },
            { "metadata": { "name": "httpbin", "labels": { "app.kubernetes.io/name": "httpbin" } },
              "status": { "phase": "Pending", "ready": false, "restarts": 0, "capacity": { "cpu": "8" },
                          "addresses": [ { "ip": "10.0.0.2" }, { "ip": "fd00::2" } ] } }
        ],
        "users": [ { "name": "me", "user": {} }, { "name": "e2e", "user": { "username": "admin" } } ]
    })
}

#[test]
fn text_and_fields() {
    check(
        &pods(),
        &[
            ("hello", "hello"),
            ("", ""),
            ("kind: {.kind}", "kind: List"),
            ("{.kind}-{.kind}", "List-List"),
            ("{$.kind}", "List"),
            ("{@.kind}", "List"),
            ("{ .kind }", "List"),
            ("{.missing}", ""),
            ("before-{.missing}after", "before-after"),
            (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "sleep"),
            ("{.items[0].metadata.labels.k8s-app}", "curl"),
            ("{$.items[0].metadata.labels.web/html}", "15"),
            ("{.items[0]['metadata']['name']}", "sleep"),
            (r"{.items[0].metadata.labels['app\.kubernetes\.io/name']}", "sleep"),
            ("{.users[0].user}", "{}"),
            ("{..name}", "sleep httpbin me e2e"),
            ("{...name}", "sleep httpbin me e2e"),
            ("{.items..metadata.name}", "sleep httpbin"),
            ("{..addresses[0].ip}", "10.0.0.1 10.0.0.2"),
        ],
    );
}

#[test]
fn quoted_text_has_go_escapes() {
    let document = json!({});
    check(
        &document,
        &[
            (r#"{"\n"}"#, "\n"),
            (r#"a{"\t"}b"#, "a\tb"),
            (r#"{"{"}{"}"}"#, "{}"),
            ("{'single'}", "single"),
            (r#"{"quote \" here"}"#, "quote \" here"),
            (r#"{"\u00e9\x41\101"}"#, "éAA"),
            (r#"{"back\\"}"#, "back\\"),
            (r#"{"\q"}"#, r#"<<unquote string "\" error invalid syntax>>"#),
        ],
    );
}

#[test]
fn maps_and_arrays_are_compact_json_with_sorted_keys() {
    check(
        &pods(),
        &[
            ("{.items[0].status.capacity}", r#"{"cpu":"4","memory":"1Gi"}"#),
            ("{.items[*].status.ready}", "true false"),
            ("{.items[*].status.addresses}", r#"[{"ip":"10.0.0.1"}] [{"ip":"10.0.0.2"},{"ip":"fd00::2"}]"#),
        ],
    );
    check(
        &json!({ "floats": [1.0, 2.2, 4.0], "nothing": null, "big": 9_007_199_254_740_993_i64 }),
        &[("{.floats}", "[1,2.2,4]"), ("{.floats[0]}", "1"), ("{.nothing}", "<nil>"), ("{.big}", "9007199254740993")],
    );
}

#[test]
fn a_document_is_its_own_current_object() {
    check(&json!([1, 2, 3]), &[("{..}", "[1,2,3]"), ("{@}", "[1,2,3]"), ("{$}", "[1,2,3]"), ("{[0,2]}", "1 3")]);
}

#[test]
fn ranges() {
    check(
        &pods(),
        &[
            ("{range .items[*]}{.metadata.name}, {end}{.kind}", "sleep, httpbin, List"),
            (
                "{range .items[*]}{.metadata.name}:{range .status.addresses[*]} {.ip}{end};{end}",
                "sleep: 10.0.0.1;httpbin: 10.0.0.2 fd00::2;",
            ),
            ("{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}", "[sleep, 4] [httpbin, 8] "),
            ("{range .missing[*]}{.x}{end}.", "."),
            (
                r#"{range .items[?(.status.phase=="Running")]}{.metadata.name}{" is Running\n"}{end}"#,
                "sleep is Running\n",
            ),
            (r#"{range .items[*]}{ "{" }{ @.metadata.name }{ "}" }{end}"#, "{sleep}{httpbin}"),
            // kubectl tolerates a missing end, and nothing else.
            ("{range .items[*]}{.metadata.name} ", "sleep httpbin "),
            ("{range .items[*]}{.metadata.name}{end}{end}", "<<not in range, nothing to end>>"),
            ("{end}", "<<not in range, nothing to end>>"),
        ],
    );
}

#[test]
fn arrays_by_index_and_slice() {
    check(
        &json!({ "c": ["a", "b", "c", "d"] }),
        &[
            ("{.c[0]}", "a"),
            ("{.c[-1]}", "d"),
            ("{.c[-4]}", "a"),
            ("{.c[1:3]}", "b c"),
            ("{.c[:2]}", "a b"),
            ("{.c[2:]}", "c d"),
            ("{.c[-2:]}", "c d"),
            ("{.c[0:-1]}", "a b c"),
            ("{.c[0:4:2]}", "a c"),
            ("{.c[1:4:2]}", "b d"),
            ("{.c[::3]}", "a d"),
            ("{.c[0:4:]}", "a b c d"),
            ("{.c[*]}", "a b c d"),
            ("{.c[]}", "a"),
            ("{.c[0:0]}", ""),
            ("{.c[5:5]}", ""),
            ("{.c[-5:-5]}", ""),
            ("{.c[4]}", "<<array index out of bounds: index 4, length 4>>"),
            ("{.c[-5]}", "<<array index out of bounds: index -1, length 4>>"),
            ("{.c[0:5]}", "<<array index out of bounds: index 4, length 4>>"),
            ("{.c[3:1]}", "<<starting index 3 is greater than ending index 1>>"),
            ("{.c[-1:0]}", "<<starting index 3 is greater than ending index 0>>"),
            ("{.c[0:4:0]}", "<<step must be > 0>>"),
            ("{.c[0:4:-1]}", "<<step must be > 0>>"),
            ("{.c[x]}", "<<invalid array index x>>"),
            ("{.c[1:2:3:4]}", "<<invalid array index 1:2:3:4>>"),
            ("{.c[\"a\"]}", "<<invalid array index \"a\">>"),
            ("{.c[0}", "<<unterminated array>>"),
        ],
    );
}

#[test]
fn an_empty_array_does_not_hide_what_comes_after_it() {
    // client-go returns at the first empty array (`evalArray`), so kubectl prints nothing here. A report whose first pair
    // has no gaps must not look as if none had.
    let document = json!({ "pairs": [ { "gaps": [] }, { "gaps": [ { "at": "client" } ] } ] });
    check(&document, &[("{.pairs[*].gaps[*].at}", "client")]);
}

#[test]
fn wildcards() {
    let document = json!({ "map": { "a": 1, "b": { "c": 2 } }, "array": [1, 2] });
    check(
        &document,
        &[
            ("{.map.*}", r#"1 {"c":2}"#),
            ("{.array.*}", "1 2"),
            ("{.array[*]}", "1 2"),
            ("{.map[*]}", "<<map[string]interface {} is not array or slice>>"),
            ("{.map[0]}", "<<map[string]interface {} is not array or slice>>"),
        ],
    );
}

#[test]
fn unions_are_paths_column_by_column() {
    check(
        &pods(),
        &[
            (
                "{.items[*]['metadata.name', 'status.capacity']}",
                r#"sleep httpbin {"cpu":"4","memory":"1Gi"} {"cpu":"8"}"#,
            ),
            ("{.items[0,1].metadata.name}", "sleep httpbin"),
            ("{.items[1,0].metadata.name}", "httpbin sleep"),
        ],
    );
}

#[test]
fn filters() {
    check(
        &pods(),
        &[
            (r#"{.users[?(@.name=="e2e")].user.username}"#, "admin"),
            ("{.users[?(@.name=='e2e')].user.username}", "admin"),
            (r#"{.users[?(@.name!="e2e")].name}"#, "me"),
            ("{.items[?(@.status.restarts>0)].metadata.name}", "sleep"),
            ("{.items[?(@.status.restarts<=3)].metadata.name}", "sleep httpbin"),
            ("{.items[?(@.status.restarts<3)].metadata.name}", "httpbin"),
            ("{.items[?(@.status.restarts>=3)].metadata.name}", "sleep"),
            ("{.items[?(@.status.ready==true)].metadata.name}", "sleep"),
            ("{.items[?(@..ready==true)].metadata.name}", "sleep"),
            ("{.items[?(@.status.capacity.memory)].metadata.name}", "sleep"),
            (r#"{.items[?(@.metadata.labels.app\.kubernetes\.io/name=="httpbin")].status.phase}"#, "Pending"),
            // The right side may be a path as well; an element that lacks a side is left out.
            ("{.items[?(@.metadata.name==@.metadata.labels.k8s-app)].metadata.name}", ""),
            ("{.items[?(@.metadata.name==@.metadata.name)].metadata.name}", "sleep httpbin"),
            (r#"{.users[?(@.name=="a)b]c")].name}"#, ""),
            (r#"{.items[?(@.status.restarts=="3")].metadata.name}"#, "<<incompatible types for comparison>>"),
            (r#"{.items[?(@.status.capacity=="x")].metadata.name}"#, "<<invalid type for comparison>>"),
            ("{.items[?(@.status.ready<true)].metadata.name}", "<<invalid type for comparison>>"),
            ("{.items[?(@.status.addresses[*].ip==\"x\")]}", "<<can only compare one element at a time>>"),
            ("{.kind[?(@.x)]}", "<<string is not array or slice and cannot be filtered>>"),
            (r#"{.users[?(@.name=~"e.*")]}"#, "<<unrecognized filter operator =~>>"),
            ("{.users[?(@.name<>1)]}", "<<unrecognized filter operator <>>>"),
            ("{.users[?(@.name}", "<<unterminated filter>>"),
            ("{.users[?(@.name)}", "<<unclosed array expect ]>>"),
        ],
    );
    check(&json!([2, 6, 3, 7]), &[("{[?(@<5)]}", "2 3"), ("{[?(@.x)]}", "")]);
}

#[test]
fn a_missing_key_is_an_error_where_that_is_asked_for() {
    let document = pods();
    for (template, expected) in [
        ("{.missing}", "<<missing is not found>>"),
        ("{..missing}", "<<missing is not found>>"),
        ("{.items[*].status.capacity.memory}", "1Gi"),
        (r#"{.users[?(@.user.username=="admin")].name}"#, "<<username is not found>>"),
        ("{.users[?(@.user.username)].name}", "e2e"),
    ] {
        assert_eq!(strictly(template, &document), expected, "{template}");
    }
}

#[test]
fn mistakes_are_named_as_kubectl_names_them() {
    for (template, expected) in [
        ("{.kind", SyntaxError::UnclosedAction),
        ("{", SyntaxError::UnclosedAction),
        ("{.kind\n}", SyntaxError::UnclosedAction),
        ("{hello}", SyntaxError::Identifier("hello".to_owned())),
        ("{.....x}", SyntaxError::MultipleDescent),
        ("{1.2.3}", SyntaxError::Number("1.2.3".to_owned())),
        ("{\"open}", SyntaxError::UnterminatedQuote),
        ("{=}", SyntaxError::Character('=')),
    ] {
        assert_eq!(Template::parse(template).expect_err(template), expected, "{template}");
    }
    assert_eq!(SyntaxError::Character('=').to_string(), "unrecognized character in action: U+003D '='");
    let template = Template::parse("{.kind[0]}").unwrap();
    let error = template.render(&pods()).unwrap_err();
    assert_eq!(error.source, EvaluationError::NotAnArray("string"));
    assert_eq!(error.to_string(), r#"error executing jsonpath "{.kind[0]}": string is not array or slice"#);
}

#[test]
fn as_json_prints_an_array_for_each_action() {
    let template = Template::parse("{.items[*].metadata.name}").unwrap().as_json();
    assert_eq!(template.render(&pods()).unwrap(), "[\n    \"sleep\",\n    \"httpbin\"\n]\n");
}

proptest::proptest! {
    /// Whatever is typed, the answer is text or an error.
    #[test]
    fn no_template_is_a_disaster(template in r#"[{}\[\].?()@$'"*,:a-c0-2\\=<> é-]{0,40}"#) {
        let document = json!({ "a": [ { "b": 1 }, { "b": "x", "c": [] } ], "b": { "a": null } });
        if let Ok(template) = Template::parse(&template) {
            let _ = template.render(&document);
        }
    }
}
