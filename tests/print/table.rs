//! The table and what stands below it.

use kubectl_mtls::model::wire::{Outcome, Why, Wire};
use kubectl_mtls::print::{Format, PairRows, Style};
use kubectl_mtls::verdict::report::{Gap, OneOrMany, Pair, PeerView, Report, Severity, Summary};

use crate::print::reports::{endpoint, finding, pair, printed, report, seen, tutorial};

/// The table of one pair: its cells by header.
fn cell(pair: &Pair, header: &str) -> String {
    let table = printed(&report(vec![pair.clone()], Vec::new()), &Format::Table, &Style::default());
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (headers, cells) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    headers.iter().zip(cells).find(|(name, _)| **name == header).map_or_else(String::new, |(_, cell)| cell.to_owned())
}

fn any_pair() -> Pair {
    pair(("sleep", "foo"), ("httpbin", "bar"))
}

#[test]
fn the_nine_pairs_of_the_tutorial() {
    let table = printed(&tutorial(), &Format::Table, &Style::default());
    insta::assert_snapshot!(table, @"
    CLIENT        SERVICE              RESULT     SENDS                ACCEPTS        DECIDED-BY      HTTP    SEEN-BY
    sleep.bar     httpbin.bar:8000     CONFLICT   plaintext(DISABLE)   STRICT         dr/httpbin.bar  503     policy,proxies,wire
    sleep.bar     httpbin.foo:8000     mTLS       mTLS(auto)           STRICT         pa/default.foo  200     policy,proxies,wire
    sleep.bar     httpbin.legacy:8000  plaintext  plaintext(auto)      any(no-proxy)  <no-sidecar>    200     policy,proxies,wire
    sleep.foo     httpbin.bar:8000     CONFLICT   plaintext(DISABLE)   STRICT         dr/httpbin.bar  503     policy,proxies,wire
    sleep.foo     httpbin.foo:8000     mTLS       mTLS(auto)           STRICT         pa/default.foo  200     policy,proxies,wire
    sleep.foo     httpbin.legacy:8000  plaintext  plaintext(auto)      any(no-proxy)  <no-sidecar>    200     policy,proxies,wire
    sleep.legacy  httpbin.bar:8000     refused    plaintext(no-proxy)  STRICT         pa/httpbin.bar  000/56  policy,proxies,wire
    sleep.legacy  httpbin.foo:8000     refused    plaintext(no-proxy)  STRICT         pa/default.foo  000/56  policy,proxies,wire
    sleep.legacy  httpbin.legacy:8000  plaintext  plaintext(no-proxy)  any(no-proxy)  <no-sidecar>    200     policy,proxies,wire
    9 pairs: 2 mTLS, 3 plaintext, 4 refused (2 by conflict)
    MTLS101 error  dr/httpbin.bar DISABLE against pa/httpbin.bar STRICT: 2 pairs get 503 (dr changed 14m ago by argocd)
    MTLS104 info   pa/default.foo, pa/httpbin.bar refuse sleep.legacy (no sidecar): STRICT as written
    Next: kubectl mtls explain httpbin.bar:8000 --from sleep.bar
    ");
}

#[test]
fn no_line_ends_in_a_blank() {
    for format in [Format::Table, Format::Wide] {
        for style in [Style::default(), Style { color: true, ..Style::default() }] {
            for line in printed(&tutorial(), &format, &style).lines() {
                assert_eq!(line, line.trim_end(), "{format:?}");
            }
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = printed(&tutorial(), &Format::Table, &Style::default());
    let coloured = printed(&tutorial(), &Format::Table, &Style { color: true, ..Style::default() });
    assert!(coloured.contains("\u{1b}[31;1mCONFLICT\u{1b}[0m "), "conflicts are red: {coloured:?}");
    assert!(coloured.contains("\u{1b}[32mmTLS\u{1b}[0m "), "mutual TLS is green");
    assert!(coloured.contains("\u{1b}[33mrefused\u{1b}[0m "), "refusals are yellow");
    assert_eq!(without_escapes(&coloured), plain);
}

/// Removes `ESC [ ... m`.
fn without_escapes(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn wide_adds_columns_at_the_right() {
    let table = printed(&tutorial(), &Format::Table, &Style::default());
    let wide = printed(&tutorial(), &Format::Wide, &Style::default());
    for (line, wider) in table.lines().zip(wide.lines()) {
        assert!(wider.starts_with(line.trim_end()), "{wider}");
    }
    let columns = |line: usize| wide.lines().nth(line).map(|line| line.split_whitespace().skip(8).collect::<Vec<_>>());
    assert_eq!(columns(0).unwrap(), ["WHY", "PEER", "POLICY-LAYER", "SERVER-HEADER"]);
    assert_eq!(columns(1).unwrap(), ["no-filter-chain", "<no-answer>", "trafficPolicy", "envoy"]);
    assert_eq!(columns(2).unwrap(), ["mutual-tls", "spiffe://cluster.local/ns/bar/sa/sleep", "namespace", "envoy"]);
    assert_eq!(columns(7).unwrap(), ["no-filter-chain", "<no-answer>", "workload", "-"]);
}

#[test]
fn a_report_about_nothing_prints_nothing() {
    assert_eq!(printed(&report(Vec::new(), Vec::new()), &Format::Table, &Style::default()), "");
}

#[test]
fn results_in_an_operators_words() {
    for (verdict, word) in [
        (Wire::MutualTls, "mTLS"),
        (Wire::Plaintext, "plaintext"),
        (Wire::Tls, "TLS"),
        (Wire::Refused, "refused"),
        (Wire::Mixed, "mixed"),
        (Wire::Depends, "depends"),
        (Wire::None, "none"),
        (Wire::Unknown, "unknown"),
    ] {
        assert_eq!(cell(&Pair { verdict, ..any_pair() }, "RESULT"), word);
    }
    assert_eq!(cell(&Pair { verdict: Wire::Refused, conflict: true, ..any_pair() }, "RESULT"), "CONFLICT");
    // A conflict that the wire has not followed, or that only some endpoints have.
    assert_eq!(cell(&Pair { verdict: Wire::MutualTls, conflict: true, ..any_pair() }, "RESULT"), "CONFLICT/mTLS");
    assert_eq!(cell(&Pair { verdict: Wire::Mixed, conflict: true, ..any_pair() }, "RESULT"), "CONFLICT/mixed");
}

#[test]
fn what_is_sent_and_which_rule_asks_for_it() {
    for (kind, mode, word) in [
        ("plaintext", "DISABLE", "plaintext(DISABLE)"),
        ("plaintext", "AUTO", "plaintext(auto)"),
        ("plaintext", "NO_PROXY", "plaintext(no-proxy)"),
        ("mutual-tls", "AUTO", "mTLS(auto)"),
        ("mutual-tls", "ISTIO_MUTUAL", "mTLS(ISTIO_MUTUAL)"),
        ("tls", "SIMPLE", "TLS(SIMPLE)"),
        ("tls-client-cert", "MUTUAL", "TLS(MUTUAL)"),
        ("mixed", "AUTO", "mixed(auto)"),
    ] {
        let mut pair = any_pair();
        (pair.originates.kind, pair.originates.mode) = (kind, mode);
        assert_eq!(cell(&pair, "SENDS"), word);
    }
}

#[test]
fn what_the_endpoints_accept_without_the_client_itself() {
    let outcome = Outcome { wire: Wire::Plaintext, why: Why::PlaintextAccepted };
    let of = |modes: &[&'static str]| {
        let mut pair = any_pair();
        pair.endpoints = modes.iter().map(|mode| endpoint(("httpbin", "bar"), mode, outcome)).collect();
        pair
    };
    assert_eq!(cell(&of(&["STRICT"]), "ACCEPTS"), "STRICT");
    assert_eq!(cell(&of(&["STRICT", "STRICT"]), "ACCEPTS"), "STRICT");
    assert_eq!(cell(&of(&["STRICT", "PERMISSIVE"]), "ACCEPTS"), "PERMISSIVE,STRICT");
    assert_eq!(cell(&of(&["DISABLE", "NO_PROXY"]), "ACCEPTS"), "DISABLE,any(no-proxy)");
    assert_eq!(cell(&of(&[]), "ACCEPTS"), "-");
    let mut with_itself = of(&["STRICT", "DISABLE"]);
    with_itself.endpoints[1].is_self = true;
    assert_eq!(cell(&with_itself, "ACCEPTS"), "STRICT");
}

#[test]
fn what_curl_would_print_where_nobody_asked() {
    let of = |http: &[&str], exit: &[u8]| {
        let mut pair = any_pair();
        pair.intent.http = OneOrMany::from_vec(http.iter().map(|code| (*code).to_owned()).collect());
        pair.intent.exit = OneOrMany::from_vec(exit.to_vec());
        pair
    };
    assert_eq!(cell(&of(&["503"], &[0]), "HTTP"), "503");
    assert_eq!(cell(&of(&["000"], &[56]), "HTTP"), "000/56");
    assert_eq!(cell(&of(&["000"], &[52, 56]), "HTTP"), "000/52|56");
    assert_eq!(cell(&of(&["503", "000"], &[0, 56]), "HTTP"), "503|000/0|56");
    assert_eq!(cell(&of(&[], &[]), "HTTP"), "-");
}

#[test]
fn witnesses_have_their_users_names() {
    assert_eq!(cell(&any_pair(), "SEEN-BY"), "policy");
    let all = Pair { confirmed_by: vec!["intent", "programmed", "observed"], ..any_pair() };
    assert_eq!(cell(&all, "SEEN-BY"), "policy,proxies,wire");
    assert_eq!(cell(&Pair { confirmed_by: Vec::new(), ..any_pair() }, "SEEN-BY"), "-");
}

#[test]
fn pods_that_differ_and_hosts_outside_have_names_too() {
    let mut pair = any_pair();
    pair.client.told_apart = true;
    pair.server.service = None;
    pair.server.host = Some("api.example.com".to_owned());
    assert_eq!(cell(&pair, "CLIENT"), "sleep(sleep-7c).foo");
    assert_eq!(cell(&pair, "SERVICE"), "api.example.com:8000");
}

#[test]
fn wide_characters_keep_the_columns_straight() {
    let narrow = pair(("sleep", "foo"), ("httpbin", "bar"));
    let wide = pair(("睡眠", "foo"), ("httpbin", "bar"));
    let table = printed(&report(vec![narrow, wide], Vec::new()), &Format::Table, &Style::default());
    let lines: Vec<&str> = table.lines().collect();
    // Each of the two characters takes two columns of a terminal: `睡眠.foo` is one column shorter than `sleep.foo`.
    assert!(lines[1].starts_with("sleep.foo  httpbin.bar:8000"), "{table}");
    assert!(lines[2].starts_with("睡眠.foo   httpbin.bar:8000"), "{table}");
}

#[test]
fn only_what_there_is_is_counted() {
    let of = |verdicts: &[(Wire, bool)]| {
        let pairs =
            verdicts.iter().map(|(verdict, conflict)| Pair { verdict: *verdict, conflict: *conflict, ..any_pair() });
        let table = printed(&report(pairs.collect(), Vec::new()), &Format::Table, &Style::default());
        table.lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(of(&[(Wire::MutualTls, false)]), "1 pair: 1 mTLS");
    assert_eq!(of(&[(Wire::Refused, true), (Wire::Refused, false)]), "2 pairs: 2 refused (1 by conflict)");
    assert_eq!(
        of(&[(Wire::Refused, true), (Wire::Mixed, true), (Wire::Unknown, false)]),
        "3 pairs: 1 refused (1 by conflict), 1 mixed (1 in conflict), 1 unknown"
    );
}

#[test]
fn a_summary_stands_alone_where_pairs_are_not_listed() {
    let summary = Summary { pairs: 200_000, mutual_tls: 199_990, refused: 10, conflicts: 4, ..Summary::default() };
    let report = Report { summary, ..report(Vec::new(), Vec::new()) };
    let table = printed(&report, &Format::Table, &Style::default());
    assert_eq!(table, "200000 pairs: 199990 mTLS, 10 refused (4 by conflict)\n");
}

#[test]
fn the_next_command_fits_the_worst_finding() {
    let next = |severity, pairs: &[&str], source: &str| {
        let report = report(vec![any_pair()], vec![finding("MTLS105", severity, "x", pairs)]);
        let table = printed(&report, &Format::Table, &Style { source: source.to_owned(), ..Style::default() });
        table.lines().find(|line| line.starts_with("Next: ")).map(ToOwned::to_owned)
    };
    let known = ["foo/sleep->bar/httpbin:8000"];
    let explain = "Next: kubectl mtls explain httpbin.bar:8000 --from sleep.foo";
    assert_eq!(next(Severity::Error, &known, "").as_deref(), Some(explain));
    assert_eq!(next(Severity::Error, &known, "--standalone"), Some(format!("{explain} --standalone")));
    // A policy that cannot work concerns no pair.
    assert_eq!(next(Severity::Error, &[], "").as_deref(), Some("Next: kubectl mtls explain MTLS105"));
    assert_eq!(next(Severity::Warning, &known, ""), None);
    assert_eq!(next(Severity::Info, &known, ""), None);
}

#[test]
fn findings_are_aligned_and_wrapped_on_a_terminal_only() {
    let title = "dr/httpbin.bar DISABLE against pa/httpbin.bar STRICT: 2 pairs get 503";
    let findings =
        vec![finding("MTLS101", Severity::Error, title, &[]), finding("MTLS2", Severity::Warning, "trap", &[])];
    let of = |width| {
        let style = Style { width, ..Style::default() };
        let table = printed(&report(Vec::new(), findings.clone()), &Format::Table, &style);
        table.lines().take_while(|line| !line.starts_with("Next")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(of(None), @"
    MTLS101 error    dr/httpbin.bar DISABLE against pa/httpbin.bar STRICT: 2 pairs get 503
    MTLS2   warning  trap
    ");
    insta::assert_snapshot!(of(Some(60)), @"
    MTLS101 error    dr/httpbin.bar DISABLE against
                     pa/httpbin.bar STRICT: 2 pairs get 503
    MTLS2   warning  trap
    ");
}

#[test]
fn names_are_elided_only_where_that_makes_the_line_fit() {
    let long = pair(("checkout-recommendation-frontend", "production-eu-west"), ("httpbin", "bar"));
    let of =
        |width| printed(&report(vec![long.clone()], Vec::new()), &Format::Table, &Style { width, ..Style::default() });
    let widest = |table: &str| table.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let whole = of(None);
    assert!(whole.contains("checkout-recommendation-frontend.production-eu-west  "), "{whole}");
    assert_eq!(of(Some(widest(&whole))), whole, "it fits");
    let elided = of(Some(widest(&whole) - 10));
    assert_eq!(widest(&elided), widest(&whole) - 10);
    assert!(elided.contains("checkout-recommendat…d.production-eu-west  "), "{elided}");
    assert_eq!(of(Some(40)), whole, "half a name in a line that breaks anyway is no help");
}

/// Sixty clients of one service port: two of them in conflict, one with a gap, three without sidecar.
fn sixty() -> Report {
    let mut pairs: Vec<Pair> = (0..60).map(|n| pair((&format!("client-{n:02}"), "foo"), ("httpbin", "bar"))).collect();
    for (n, pair) in pairs.iter_mut().enumerate() {
        match n {
            7 | 30 => {
                pair.verdict = Wire::Refused;
                pair.conflict = true;
                pair.originates.mode = "DISABLE";
            }
            10..13 => pair.originates.mode = "NO_PROXY",
            20 => pair.gaps.push(Gap::new("client", "the proxy lacks the rule")),
            _ => {}
        }
    }
    report(pairs, vec![finding("MTLS101", Severity::Error, "two conflicts", &["foo/client-07->bar/httpbin:8000"])])
}

#[test]
fn beyond_fifty_pairs_clients_that_fare_alike_share_a_row() {
    let table = printed(&sixty(), &Format::Table, &Style::default());
    insta::assert_snapshot!(table, @"
    CLIENT                      SERVICE           RESULT     SENDS                ACCEPTS        DECIDED-BY    HTTP  SEEN-BY
    client-00.foo + 53 more...  httpbin.bar:8000  plaintext  plaintext(auto)      any(no-proxy)  <no-sidecar>  200   policy
    client-07.foo               httpbin.bar:8000  CONFLICT   plaintext(DISABLE)   any(no-proxy)  <no-sidecar>  200   policy
    client-10.foo + 2 more...   httpbin.bar:8000  plaintext  plaintext(no-proxy)  any(no-proxy)  <no-sidecar>  200   policy
    client-20.foo               httpbin.bar:8000  plaintext  plaintext(auto)      any(no-proxy)  <no-sidecar>  200   policy
    client-30.foo               httpbin.bar:8000  CONFLICT   plaintext(DISABLE)   any(no-proxy)  <no-sidecar>  200   policy
    60 pairs: 58 plaintext, 2 refused (2 by conflict)
    5 rows for 60 pairs: clients that fare alike share one; --pairs all shows every pair
    MTLS101 error  two conflicts
    Next: kubectl mtls explain httpbin.bar:8000 --from client-07.foo
    ");
}

#[test]
fn every_pair_and_only_problems_can_be_asked_for() {
    let rows = |report: &Report, pairs| {
        let table = printed(report, &Format::Table, &Style { pairs, ..Style::default() });
        table.lines().filter(|line| line.starts_with("client-")).count()
    };
    let sixty = sixty();
    assert_eq!(rows(&sixty, PairRows::All), 60);
    assert_eq!(rows(&sixty, PairRows::Problems), 3);
    let fifty = report(sixty.pairs[..PairRows::LIMIT].to_vec(), Vec::new());
    assert_eq!(rows(&fifty, PairRows::Auto), 50, "fifty pairs still fit a screen");
    let calm = report(vec![any_pair()], Vec::new());
    let table = printed(&calm, &Format::Table, &Style { pairs: PairRows::Problems, ..Style::default() });
    assert_eq!(table, "1 pair: 1 plaintext\n0 of 1 pairs shown; --pairs all shows every pair\n");
}

#[test]
fn callers_identities_alone_do_not_tell_rows_apart() {
    let mut pairs: Vec<Pair> = (0..60).map(|n| pair((&format!("client-{n:02}"), "foo"), ("httpbin", "bar"))).collect();
    for (n, pair) in pairs.iter_mut().enumerate() {
        let peer = PeerView::Seen { uri: format!("spiffe://td/{n:02}"), by: "spiffe://td/httpbin".to_owned() };
        pair.observed = seen(Wire::MutualTls, "200", 0, peer, None);
    }
    let wide = printed(&report(pairs, Vec::new()), &Format::Wide, &Style::default());
    let rows: Vec<&str> = wide.lines().filter(|line| line.starts_with("client-")).collect();
    assert_eq!(rows.len(), 1, "{wide}");
    assert!(
        rows[0].starts_with("client-00.foo + 59 more...  ") && rows[0].contains("  spiffe://td/00 + 59 more...  "),
        "{wide}"
    );
}
