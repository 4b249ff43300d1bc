//! Objects as text become the model; what is wrong with them is said with file, line and field.

mod admission;
mod control_planes;
mod files;
mod mistakes;
mod pods;
mod policies;
mod services;
mod vectors;

use kubectl_mtls::decode::{Assume, Loaded, Problem, manifests, snapshot};
use kubectl_mtls::model::snapshot::Snapshot;

/// Parses a file and insists that nothing is wrong with it.
#[track_caller]
fn clean(text: &str) -> Vec<Loaded> {
    let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
    assert!(problems.is_empty(), "unexpected problems: {problems:#?}");
    objects
}

/// The snapshot of a file with which nothing is wrong.
#[track_caller]
fn mesh(text: &str) -> Snapshot {
    let (snapshot, problems) = snapshot(&clean(text), &Assume::default());
    assert!(problems.is_empty(), "unexpected problems: {problems:#?}");
    snapshot
}

/// The problems of a file, as they are printed.
fn problems(text: &str) -> Vec<Problem> {
    manifests::parse("mesh.yaml", text, "default").1
}

/// `file:line:column: severity: field`, what most tests ask for.
fn place(problem: &Problem) -> String {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    format!(
        "{}:{}:{}: {}: {}",
        problem.file.as_deref().unwrap_or("-"),
        number(problem.line),
        number(problem.column),
        problem.severity,
        problem.field.as_deref().unwrap_or("-")
    )
}
