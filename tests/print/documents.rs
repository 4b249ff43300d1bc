//! JSON, YAML, names, templates, and how they are asked for.

#![expect(clippy::expect_used, reason = "a format that cannot be read is a failed test")]

use std::io;

use kubectl_mtls::model::wire::Wire;
use kubectl_mtls::print::format::FormatError;
use kubectl_mtls::print::jsonpath::TemplateError;
use kubectl_mtls::print::{Format, Style, print};
use kubectl_mtls::verdict::report::{PeerView, Report};
use serde_json::Value;

use crate::print::reports::{pair, printed, report, seen, tutorial};

fn asked_for(format: &str) -> Format {
    format.parse().expect(format)
}

fn as_asked(report: &Report, format: &str) -> String {
    printed(report, &asked_for(format), &Style::default())
}

#[test]
fn json_is_one_document_with_the_reports_own_words() {
    let text = as_asked(&tutorial(), "json");
    assert!(text.starts_with("{\n  \"apiVersion\": \"kubectl-mtls/v1\",\n  \"kind\": \"Report\",\n"), "{text}");
    assert!(text.ends_with("}\n"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["summary"]["pairs"], 9);
    assert_eq!(document["pairs"][6]["observed"]["http"], "000");
    assert_eq!(document["pairs"][6]["observed"]["exit"], 56);
    assert_eq!(document["pairs"][0]["decidedBy"]["layer"], "trafficPolicy");
    assert!(!text.contains("null"), "null never stands for unknown");
}

#[test]
fn yaml_is_the_same_document() {
    let report = tutorial();
    let yaml: Value = serde_saphyr::from_str(&as_asked(&report, "yaml")).unwrap();
    assert_eq!(yaml, serde_json::to_value(&report).unwrap());
}

/// Strings that YAML 1.1, which kubectl and Go read, takes for something else (yaml.org/type: bool, null, int, float,
/// timestamp, merge), and those that break its syntax.
const TREACHEROUS: [&str; 44] = [
    "on",
    "off",
    "On",
    "OFF",
    "yes",
    "no",
    "y",
    "n",
    "Y",
    "N",
    "true",
    "True",
    "false",
    "null",
    "Null",
    "~",
    "",
    "000",
    "0o17",
    "017",
    "0x1F",
    "0b11",
    "1_000",
    "200",
    "-1",
    "+1",
    "1.31",
    "1.",
    ".5",
    "1e3",
    ".inf",
    "-.INF",
    ".nan",
    "12:30:00",
    "190:20:30",
    "2026-11-21",
    "2026-11-21T10:00:00Z",
    "=",
    "<<",
    "- a",
    "a: b",
    "a #b",
    "*x",
    "&x",
];

#[test]
fn yaml_quotes_whatever_another_reader_takes_for_something_else() {
    for text in TREACHEROUS {
        let mut pair = pair(("sleep", "foo"), ("httpbin", "bar"));
        pair.server.port_name = text.to_owned();
        let yaml = as_asked(&report(vec![pair], Vec::new()), "yaml");
        let line = yaml.lines().find_map(|line| line.trim().strip_prefix("portName: ")).unwrap();
        assert!(line.starts_with('"') || line.starts_with('\''), "`{text}` is written as `{line}`");
        let document: Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(document["pairs"][0]["server"]["portName"], text);
    }
}

#[test]
fn yaml_keeps_any_text() {
    for text in [
        "line\nbreak",
        "tab\there",
        " around ",
        "ünïcödé 証明書",
        "\u{1b}[31m",
        "\\",
        "'\"'",
        "a:",
        "{",
        "%",
        "@x",
        "`",
    ] {
        let mut pair = pair(("sleep", "foo"), ("httpbin", "bar"));
        pair.intent.because = text.to_owned();
        let yaml = as_asked(&report(vec![pair], Vec::new()), "yaml");
        let document: Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(document["pairs"][0]["intent"]["because"], text, "{yaml}");
    }
}

#[test]
fn a_long_sentence_stays_on_one_line_of_yaml() {
    let mut pair = pair(("sleep", "foo"), ("httpbin", "bar"));
    pair.intent.because = "plaintext ".repeat(30);
    let yaml = as_asked(&report(vec![pair.clone()], Vec::new()), "yaml");
    assert!(yaml.contains(&pair.intent.because), "{yaml}");
}

#[test]
fn name_prints_ids() {
    assert_eq!(as_asked(&tutorial(), "name").lines().next(), Some("bar/sleep->bar/httpbin:8000"));
    assert_eq!(as_asked(&tutorial(), "name").lines().count(), 9);
}

#[test]
fn templates_run_over_the_json_document() {
    let report = tutorial();
    for (template, expected) in [
        ("{.summary.conflicts}", "2"),
        ("{.pairs[?(@.verdict==\"mutual-tls\")].client.namespace}", "bar foo"),
        ("{.pairs[?(@.conflict==true)].decidedBy.name}", "httpbin httpbin"),
        ("{range .findings[*]}{.code}={.severity}{\"\\n\"}{end}", "MTLS101=error\nMTLS104=info\n"),
        ("{.pairs[0].observed.http}/{.pairs[6].observed.exit}", "503/56"),
        ("{..observed.peer.uri}", "spiffe://cluster.local/ns/bar/sa/sleep spiffe://cluster.local/ns/foo/sa/sleep"),
        ("{.mesh.revisions[*].istioVersion}", "1.31"),
        ("{.no.such.key}", ""),
    ] {
        assert_eq!(as_asked(&report, &format!("jsonpath={template}")), expected, "{template}");
    }
}

#[test]
fn a_template_that_does_not_fit_prints_nothing_and_says_why() {
    let mut out = Vec::new();
    let error =
        print(&tutorial(), &asked_for("jsonpath=kind: {.kind}{.kind[0]}"), &Style::default(), &mut out).unwrap_err();
    assert_eq!(out, b"");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<TemplateError>));
    assert_eq!(error.to_string(), "error executing jsonpath \"kind: {.kind}{.kind[0]}\": string is not array or slice");
}

#[test]
fn formats_are_spelt_as_for_kubectl() {
    for (text, format) in [
        ("", Format::Table),
        ("table", Format::Table),
        ("wide", Format::Wide),
        ("json", Format::Json),
        ("JSON", Format::Json),
        ("yaml", Format::Yaml),
        ("name", Format::Name),
    ] {
        assert_eq!(asked_for(text), format, "{text}");
    }
    for (text, message) in [
        (
            "xml",
            "unable to match a printer suitable for the output format \"xml\", allowed formats are: \
             json,jsonpath,jsonpath-as-json,jsonpath-file,name,table,wide,yaml",
        ),
        (
            "json=x",
            "unable to match a printer suitable for the output format \"json=x\", allowed formats are: \
             json,jsonpath,jsonpath-as-json,jsonpath-file,name,table,wide,yaml",
        ),
        ("jsonpath", "template format specified but no template given"),
        ("jsonpath=", "template format specified but no template given"),
        ("jsonpath={.a", "error parsing jsonpath {.a, unclosed action"),
    ] {
        assert_eq!(text.parse::<Format>().unwrap_err().to_string(), message);
    }
}

#[test]
fn the_caller_reads_template_files() {
    let file = |name: &str| {
        assert_eq!(name, "a=b.tmpl");
        Ok("{.kind}".to_owned())
    };
    let format = Format::parse("jsonpath-file=a=b.tmpl", file).unwrap();
    assert_eq!(printed(&tutorial(), &format, &Style::default()), "Report");
    let missing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let error = Format::parse("jsonpath-file=x", missing).unwrap_err();
    assert_eq!(error.to_string(), "error reading --template x, entity not found");
    assert!(matches!("jsonpath-file=x".parse::<Format>(), Err(FormatError::File { .. })));
}

/// A writer that nobody reads from.
struct ClosedPipe;

impl io::Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_told_as_one() {
    let mut report = tutorial();
    // More than any buffer holds, so that it is met while writing as well as at the end.
    report.pairs = (0..100).flat_map(|_| tutorial().pairs).collect();
    for format in ["table", "wide", "json", "yaml", "name", "jsonpath={}"] {
        let error = print(&report, &asked_for(format), &Style::default(), &mut ClosedPipe).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{format}");
    }
}

#[test]
fn what_a_server_says_does_not_steer_the_terminal() {
    let mut pair = pair(("sleep", "foo"), ("httpbin", "bar"));
    let peer = PeerView::Absent { absent: "not-echoed" };
    pair.observed = seen(Wire::Plaintext, "200", 0, peer, Some("\u{1b}[2Jenvoy"));
    let wide = as_asked(&report(vec![pair], Vec::new()), "wide");
    assert!(wide.contains("\\u{1b}[2Jenvoy") && !wide.contains('\u{1b}'), "{wide}");
}
