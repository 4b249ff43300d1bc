//! The `X-Forwarded-Client-Cert` header, against what real Envoy wrote.

use kubectl_mtls::xfcc::{self, Element, Key, NotXfcc, Pair};
use proptest::prelude::{Strategy, any, prop, proptest};

const HASH: &str = "528976045e1b4e5f2b41def06be3866a28bdb85f9cc1fd97557f6a10b8a38711";

/// Every value that came out of the recorded Envoys.
fn recorded() -> Vec<String> {
    let cases = include_str!("vectors/envoy-cases-lab.jsonl").lines();
    let xfcc = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(case.get("xfcc")?.as_str()?.to_owned())
    };
    cases.filter_map(xfcc).collect()
}

#[test]
fn what_envoy_wrote_is_read_and_written_back() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 25);
    for text in recorded {
        let elements = xfcc::parse(&text).unwrap();
        assert_eq!(xfcc::format(&elements), text);
        let hop = xfcc::last(&elements).unwrap();
        assert_eq!(hop.by().collect::<Vec<_>>(), ["spiffe://cluster.local/ns/foo/sa/httpbin"], "{text}");
    }
}

#[test]
fn the_fields_of_a_workload_certificate() {
    let text = format!(
        "By=spiffe://cluster.local/ns/foo/sa/httpbin;Hash={HASH};Subject=\"\";URI=spiffe://cluster.local/ns/bar/sa/curl"
    );
    let elements = xfcc::parse(&text).unwrap();
    let [hop] = elements.as_slice() else { panic!("{elements:?}") };
    assert_eq!(hop.hash().as_deref(), Some(HASH));
    assert_eq!(hop.subject().as_deref(), Some(""));
    assert_eq!(hop.uris().collect::<Vec<_>>(), ["spiffe://cluster.local/ns/bar/sa/curl"]);
    assert_eq!(hop.dns().count(), 0);
}

/// Recorded as `xfcc-forged.none-clientcert.strict`: a caller without sidecar may put elements in front.
#[test]
fn the_last_hop_counts() {
    let forged = recorded().into_iter().find(|text| text.contains("sa/evil,By=")).unwrap();
    let elements = xfcc::parse(&forged).unwrap();
    let uris: Vec<_> = elements.iter().flat_map(Element::uris).collect();
    assert_eq!(uris, ["spiffe://cluster.local/ns/evil/sa/evil", "spiffe://cluster.local/ns/bar/sa/curl"]);
    let last = xfcc::last(&elements).unwrap();
    assert_eq!(last.uris().collect::<Vec<_>>(), ["spiffe://cluster.local/ns/bar/sa/curl"]);
}

/// Examples of Envoy's documentation, `x-forwarded-client-cert`.
#[test]
fn the_documented_examples() {
    let one = format!(
        "By=http://frontend.lyft.com;Hash={HASH};Subject=\"/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client\";URI=http://testclient.lyft.com"
    );
    let hop = &xfcc::parse(&one).unwrap()[0];
    assert_eq!(hop.subject().as_deref(), Some("/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client"));
    let two = format!("{one},By=http://backend.lyft.com;Hash={HASH};URI=http://frontend.lyft.com;DNS=a.com;DNS=b.com");
    let elements = xfcc::parse(&two).unwrap();
    assert_eq!(elements.len(), 2);
    assert_eq!(elements[1].dns().collect::<Vec<_>>(), ["a.com", "b.com"]);
    assert_eq!(xfcc::format(&elements), two);
}

#[test]
fn separators_inside_quotes_are_text_and_keys_have_no_case() {
    let text = r#"uri=spiffe://a/b;SUBJECT="CN=\"x\",O=y;z""#;
    let elements = xfcc::parse(text).unwrap();
    let [hop] = elements.as_slice() else { panic!("{elements:?}") };
    assert_eq!(hop.subject().as_deref(), Some(r#"CN="x",O=y;z"#));
    assert_eq!(hop.uris().collect::<Vec<_>>(), ["spiffe://a/b"]);
    assert_eq!(xfcc::format(&elements), text);
}

#[test]
fn what_is_no_xfcc_says_where() {
    let rows = [
        ("By", NotXfcc::NoValue { at: 0 }),
        ("By=a;;URI=b", NotXfcc::Empty { at: 5 }),
        ("By=a,", NotXfcc::Empty { at: 5 }),
        ("By=a;URI=\"b", NotXfcc::OpenQuote { at: 9 }),
        ("By=\"a\"b", NotXfcc::AfterQuote { at: 7 }),
    ];
    for (text, expected) in rows {
        assert_eq!(xfcc::parse(text), Err(expected), "{text}");
    }
    assert_eq!(xfcc::parse("").unwrap(), []);
}

fn elements() -> impl Strategy<Value = Vec<Element>> {
    let key = prop::sample::select(vec![Key::By, Key::Hash, Key::Cert, Key::Chain, Key::Subject, Key::Uri, Key::Dns]);
    let value = "[ -~]{0,20}";
    let pair = (key, value).prop_map(|(key, value)| Pair::new(key, &value));
    let element = prop::collection::vec(pair, 1..5).prop_map(|pairs| Element { pairs });
    prop::collection::vec(element, 1..4)
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>()) {
        let _ = xfcc::parse(&text);
    }

    #[test]
    fn reading_never_panics_on_pieces_of_the_grammar(text in "[By=;,\"\\\\a ]{0,40}") {
        if let Ok(elements) = xfcc::parse(&text) {
            // Blanks around separators are dropped, nothing else.
            let again = xfcc::parse(&xfcc::format(&elements)).unwrap();
            assert_eq!(again, elements);
        }
    }

    #[test]
    fn what_is_written_is_read_back(elements in elements()) {
        assert_eq!(xfcc::parse(&xfcc::format(&elements)).unwrap(), elements);
    }

    #[test]
    fn values_survive(value in "[ -\\[\\]-~]{0,20}") {
        let text = Element::new().with(Key::Uri, &value).to_string();
        let back = xfcc::parse(&text).unwrap();
        assert_eq!(back[0].uris().next().unwrap(), value);
    }
}
