//! The rules of the house that no compiler checks: who may import whom, and what may not be in the repository.

#![expect(clippy::expect_used, reason = "a source file that cannot be read is a failed test")]

mod scanner;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::architecture::scanner::{code_only, crate_modules, glob_imports};

/// Longer files hold more than one idea.
const MOST_LINES: usize = 450;

/// Which modules of the crate a module may use; itself always.
const IMPORTS: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("decode", &["model"]),
    ("envoy", &["model"]),
    ("xfcc", &["model"]),
    ("intent", &["model"]),
    ("programmed", &["model", "envoy"]),
    ("observed", &["model", "xfcc", "envoy"]),
    ("verdict", &["model", "intent", "programmed", "observed"]),
    ("audit", &["model", "intent", "programmed", "observed", "verdict"]),
    // Raw dumps and probe text come out of it; the pure parts parse.
    ("source", &["model", "decode"]),
    ("gather", &["source", "model", "decode", "envoy", "xfcc", "intent", "programmed", "observed", "verdict", "audit"]),
    ("print", &["model", "verdict", "audit"]),
    ("lab", &["model", "decode", "intent", "envoy", "xfcc"]),
];

/// Modules that may use everything.
const DOORS: [&str; 4] = ["cli", "exit", "lib", "main"];
const EVERYTHING: [&str; 15] = [
    "model",
    "decode",
    "envoy",
    "xfcc",
    "intent",
    "programmed",
    "observed",
    "verdict",
    "audit",
    "source",
    "gather",
    "print",
    "lab",
    "cli",
    "exit",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the library: its path below `src`, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The top-level module it belongs to.
    fn module(&self) -> String {
        let first = self.path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
        first.unwrap_or_default().trim_end_matches(".rs").to_owned()
    }

    /// How many `super::` lead from it to the root of the crate.
    fn depth(&self) -> usize {
        match self.module().as_str() {
            "lib" | "main" => 0,
            _ => self.path.components().count(),
        }
    }
}

fn sources() -> Vec<Source> {
    let base = root().join("src");
    let mut sources = Vec::new();
    for file in files_below(&base) {
        if file.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&file).expect("sources are text");
            let path = file.strip_prefix(&base).expect("it was found there").to_owned();
            sources.push(Source { path, text });
        }
    }
    assert!(sources.len() > 20, "the sources were found");
    sources
}

/// Every file below a directory, without what is built and what git keeps.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("the directory can be listed") {
            let path = entry.expect("its entries can be read").path();
            if path.is_dir() {
                if !path.ends_with("target") && !path.ends_with(".git") {
                    open.push(path);
                }
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// What git tracks or would track; where there is no git, every file.
fn tracked() -> Vec<PathBuf> {
    let listing =
        Command::new("git").args(["ls-files", "-z", "-co", "--exclude-standard"]).current_dir(root()).output();
    match listing {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8_lossy(&output.stdout).into_owned();
            let files = names.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name));
            files.filter(|file| file.is_file()).collect()
        }
        Ok(_) | Err(_) => files_below(root()),
    }
}

/// The modules that this code of a module uses and should not.
fn forbidden_imports(module: &str, depth: usize, text: &str) -> Vec<String> {
    let allowed: &[&str] = match IMPORTS.iter().find(|(name, _)| *name == module) {
        Some((_, allowed)) => allowed,
        None if DOORS.contains(&module) => &EVERYTHING,
        None => return vec![format!("`{module}` is in no line of the table")],
    };
    let used = crate_modules(&code_only(text), depth);
    used.into_iter()
        .filter(|used| used != module && EVERYTHING.contains(&used.as_str()) && !allowed.contains(&used.as_str()))
        .map(|used| format!("`{module}` may not use `{used}`"))
        .collect()
}

/// Whether a path of some machine begins in the line.
fn names_a_machine(line: &str) -> bool {
    // Not spelt out here: this file is looked at as well.
    let homes = ["work", "root", "home"].map(|directory| format!("/{directory}/"));
    let begins = |at: usize| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
    };
    homes.iter().any(|home| line.match_indices(home.as_str()).any(|(at, _)| begins(at)))
}

/// A complaint for each line of code that breaks a rule of wording.
fn forbidden_code(text: &str) -> Vec<String> {
    let code = code_only(text);
    let dense: String = code.split_whitespace().collect();
    let mut found: Vec<String> =
        glob_imports(&code).into_iter().map(|import| format!("glob import `{import}`")).collect();
    for (pattern, instead) in [
        ("#[allow(", "`#[expect(.., reason = \"..\")]`"),
        ("#![allow(", "`#![expect(.., reason = \"..\")]`"),
        ("todo!", "do it"),
        ("dbg!", "tracing"),
    ] {
        if dense.contains(pattern) {
            found.push(format!("`{pattern}`: {instead} instead"));
        }
    }
    found
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn imports_follow_the_table() {
    let complaints = sources().into_iter().flat_map(|source| {
        let found = forbidden_imports(&source.module(), source.depth(), &source.text);
        found.into_iter().map(move |complaint| format!("src/{}: {complaint}", source.path.display()))
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn no_globs_no_silenced_lints_nothing_left_to_do() {
    let complaints = sources().into_iter().flat_map(|source| {
        let found = forbidden_code(&source.text);
        found.into_iter().map(move |complaint| format!("src/{}: {complaint}", source.path.display()))
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn modules_are_files_of_their_own_name_and_of_one_idea() {
    let complaints = sources().into_iter().filter_map(|source| {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if source.path.file_name().is_some_and(|name| name == "mod.rs") {
            Some(format!("src/{path}: name the file as the module"))
        } else {
            (lines > MOST_LINES).then(|| format!("src/{path}: {lines} lines, more than {MOST_LINES}"))
        }
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_machine() {
    let complaints = tracked().into_iter().flat_map(|file| {
        // What is no text has no paths to read.
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let lines = text.lines().enumerate().filter(|(_, line)| names_a_machine(line));
        lines.map(|(at, _)| format!("{}:{}: a path of some machine", file.display(), at + 1)).collect::<Vec<_>>()
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_module_has_its_line_in_the_table() {
    for source in sources() {
        let module = source.module();
        let known = IMPORTS.iter().any(|(name, _)| *name == module) || DOORS.contains(&module.as_str());
        assert!(known, "`{module}` is new: which modules may it use?");
    }
}

// === the checks themselves ===

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    for text in [
        "use crate::lab::desired::Desired;",
        "use crate::{model::wire::Wire, lab::desired::{Desired, PodId}};",
        "pub(crate) use crate::lab;",
        "fn f() { crate::lab::start(); }",
        "fn f(x: &crate::lab::X) {}",
        "use crate :: lab :: X;",
        "use crate::{\n    model::wire::{Wire, Why},\n    lab,\n};",
        "use super::super::lab::X;",
        "use super::super::{model, lab::X};",
        "mod tests { use super::super::super::lab::X; }",
        "macro_rules! m { () => { $crate::lab::f() } }",
    ] {
        assert_eq!(forbidden_imports("intent", 2, text), ["`intent` may not use `lab`"], "{text}");
    }
}

#[test]
fn what_is_no_import_is_not_taken_for_one() {
    for text in [
        "/// See [`crate::lab`].\nfn f() {}",
        "//! [x](crate::lab::X)\n",
        "/* crate::lab /* crate::lab */ crate::lab */ fn f() {}",
        "const A: &str = \"crate::lab \\\" crate::lab\";",
        "const A: &str = r#\"crate::lab \" crate::lab\"#;",
        "const A: (char, char) = ('\"', '\\''); // crate::lab",
        "fn f<'crate_>(x: &'crate_ str) -> &'crate_ str { x }",
        "use crate::model::lab::X;",
        "use crate::{model::{lab, wire}, intent::lab};",
        "use crate::intent::{self, lab};",
        "use super::lab::X;",
        "use k8s::lab; use mycrate::lab;",
    ] {
        assert_eq!(forbidden_imports("intent", 2, text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(forbidden_imports("cli", 2, "use crate::lab::X;"), Vec::<String>::new());
    assert_eq!(forbidden_imports("lab", 2, "use crate::lab::X; use crate::intent::Y;"), Vec::<String>::new());
}

#[test]
fn the_witnesses_never_import_one_another() {
    for (module, other) in [
        ("intent", "observed"),
        ("intent", "programmed"),
        ("programmed", "intent"),
        ("programmed", "observed"),
        ("observed", "intent"),
        ("observed", "programmed"),
        ("model", "intent"),
        ("print", "intent"),
        ("source", "intent"),
        ("lab", "verdict"),
    ] {
        assert_eq!(forbidden_imports(module, 1, &format!("use crate::{other}::X;")).len(), 1, "{module} -> {other}");
    }
    assert_eq!(forbidden_imports("helpers", 1, "").len(), 1, "a module that nobody thought about");
}

#[test]
fn a_breach_of_wording_is_found() {
    for (text, count) in [
        ("use crate::model::*;", 1),
        ("use std::io::{self, prelude::*};", 1),
        ("mod tests { use super::*; }", 1),
        ("#[allow(dead_code)] fn f() {}", 1),
        ("#![allow(\n    dead_code\n)]", 1),
        ("# [ allow (dead_code)] fn f() {}", 1),
        ("fn f() { todo!() }", 1),
        ("fn f() { dbg!(1); }", 1),
        ("fn f(a: u8) -> u8 { a * 2 }", 0),
        ("use std::fmt; fn f(a: *const u8) { let _ = 2 * 3; }", 0),
        ("// #[allow(x)] todo!() use a::*;\nfn f() {}", 0),
        ("#[expect(dead_code, reason = \"todo! use x::*;\")] fn f() {}", 0),
    ] {
        assert_eq!(forbidden_code(text).len(), count, "{text}: {:?}", forbidden_code(text));
    }
}

#[test]
fn a_path_of_a_machine_is_found() {
    let home = ["/ho", "me/someone/x"].concat();
    assert!(names_a_machine(&home));
    assert!(names_a_machine(&format!("read `{home}` first")));
    assert!(names_a_machine(&format!("path={home}")));
    assert!(!names_a_machine(&format!("https://example.com{home}")), "part of an address");
    assert!(!names_a_machine("/homework/ and /var/lib/istio/"));
}
