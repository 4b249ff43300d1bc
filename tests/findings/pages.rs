//! The pages of `docs/findings`: each has its sections, its example produces the finding, and `explain` shows it.

use std::process::{Command, Output};

use kubectl_mtls::cli::explain::code::page;
use kubectl_mtls::verdict::finding::Code;

/// Findings that no manifest shows: somebody has to send a request, or to ask a proxy.
const SEEN_ONLY: [&str; 5] = ["MTLS301", "MTLS502", "MTLS503", "MTLS504", "MTLS505"];
/// Findings that the reference mesh shows when it is told to drift; what follows has names and times of that run.
const DRIFTING: [&str; 5] = ["MTLS302", "MTLS303", "MTLS304", "MTLS305", "MTLS501"];

const SECTIONS: [&str; 5] =
    ["## What it means", "## Example", "## Why Istio does so", "## How to fix it", "## How it looks"];

fn mtls(args: &[&str], directory: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-mtls")).args(args).current_dir(directory).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of the first block in this language.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("no {language} in {page}"));
    rest.split("```").next().unwrap()
}

#[test]
fn every_code_has_a_page_with_every_section_in_order() {
    for code in Code::all() {
        let page = page(code);
        assert!(page.starts_with(&format!("# {} {}\n\n", code.code(), code.name())), "{}: {page}", code.code());
        let severity = code.severity().as_str();
        let third = page.lines().nth(2).unwrap().to_lowercase();
        assert!(third.starts_with(&format!("{severity}. ")), "{}: {third}", code.code());
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, SECTIONS, "{}", code.code());
        let empty = page.split("## ").skip(1).any(|section| section.lines().skip(1).all(|line| line.trim().is_empty()));
        assert!(!empty, "{} has an empty section", code.code());
    }
}

#[test]
fn there_is_no_page_too_many_and_the_readme_lists_them_all() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let pages: Vec<String> = Code::all().iter().map(|code| format!("{}.md", code.code())).collect();
    assert_eq!(files, pages);
    let readme = include_str!("../../README.md");
    for code in Code::all() {
        let row =
            format!("| [{0}](docs/findings/{0}.md) `{1}` | {2} |", code.code(), code.name(), code.severity().as_str());
        assert!(readme.contains(&row), "the README lacks `{row}`");
    }
}

#[test]
fn every_example_produces_its_finding() {
    for code in Code::all() {
        let page = page(code);
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("example.yaml"), block(page, "yaml")).unwrap();
        let shown = block(page, "console");
        let (command, expected) = shown.split_once('\n').unwrap();
        let args: Vec<&str> = command.strip_prefix("$ kubectl mtls ").unwrap().split(' ').collect();
        assert!(expected.lines().all(|line| line.starts_with(code.code())), "{shown}");
        if SEEN_ONLY.contains(&code.code()) {
            continue;
        }
        let output = mtls(&args, directory.path());
        // Columns are as wide as the other findings beside it ask for.
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found: Vec<String> =
            text(&output.stdout).lines().filter(|line| line.starts_with(code.code())).map(squeezed).collect();
        if DRIFTING.contains(&code.code()) {
            let begins = squeezed(expected);
            assert!(found.iter().any(|line| line.starts_with(&begins)), "{}: {found:?}", code.code());
            continue;
        }
        assert_eq!(found, expected.lines().map(squeezed).collect::<Vec<_>>(), "{}", code.code());
    }
}

#[test]
fn explain_shows_the_page_by_code_in_any_case_and_by_name() {
    let here = tempfile::tempdir().unwrap();
    for word in ["MTLS102", "mtls102", "downgrade"] {
        let output = mtls(&["explain", word], here.path());
        assert_eq!(text(&output.stdout), include_str!("../../docs/findings/MTLS102.md"), "{word}");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{word}");
    }
    let json = mtls(&["explain", "MTLS102", "-o", "json"], here.path());
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document.pointer("/name").and_then(serde_json::Value::as_str), Some("downgrade"));
    assert_eq!(document.pointer("/severity").and_then(serde_json::Value::as_str), Some("warning"));
}

#[test]
fn an_unknown_code_gets_a_suggestion_and_the_list() {
    let here = tempfile::tempdir().unwrap();
    let output = mtls(&["explain", "MTLS999"], here.path());
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    let told = text(&output.stderr);
    assert!(told.starts_with("error: `MTLS999` is no finding; ") && told.contains("MTLS101, MTLS102, "), "{told}");
    let near = text(&mtls(&["explain", "MTLS110"], here.path()).stderr);
    assert!(near.contains("did you mean MTLS10"), "{near}");
}
