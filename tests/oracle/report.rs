//! What is printed: small meshes, both answers, recordings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kubectl_mtls::decode::manifests;
use serde_json::{Value, json};

use crate::meshes::generate;
use crate::meshes::shrink;
use crate::meshes::tally::Difference;
use crate::meshes::yaml;
use crate::options::Options;
use crate::process::Oracle;
use crate::sweep::{Disagreement, judge, text};

/// Lines of differences that are shown of one mesh.
const SHOWN: usize = 12;

/// A process that is asked for as long as it lives, then the next.
struct Asker<'a> {
    binary: &'a Path,
    oracle: Option<Oracle>,
}

// === impl Asker ===

impl<'a> Asker<'a> {
    fn of(options: &'a Options) -> Self {
        Self { binary: &options.binary, oracle: None }
    }

    fn ask(&mut self, id: &str, mesh: &str) -> Result<Value, String> {
        if self.oracle.as_ref().is_none_or(Oracle::is_spent) {
            self.oracle = Some(Oracle::start(self.binary)?);
        }
        let answer = self.oracle.as_mut().ok_or("no oracle")?.ask(id, mesh);
        if answer.is_err() {
            self.oracle = None;
        }
        answer
    }

    fn differences(&mut self, documents: &[Value]) -> Result<Vec<Difference>, String> {
        let mesh = yaml::documents(documents);
        Ok(judge(self.ask("mesh", &mesh)?, mesh).differences)
    }

    fn record(&mut self, id: &str, mesh: &str) -> Result<(), String> {
        let answer = self.ask(id, mesh)?;
        if let Some(error) = answer["error"].as_str() {
            return Err(format!("{id}: {error}"));
        }
        println!("{}", json!({"id": id, "mesh": mesh, "expected": answer["expected"]}));
        Ok(())
    }

    /// Makes a mesh small and prints it with what remains.
    fn shrunk(&mut self, title: &str, kind: &'static str, documents: Vec<Value>) -> Result<(), String> {
        let small = shrink::smallest(documents, |smaller| {
            self.differences(smaller).is_ok_and(|found| found.iter().any(|difference| difference.kind == kind))
        });
        println!("# {title}: {kind}");
        for difference in self.differences(&small)?.iter().take(SHOWN) {
            println!("# {difference}");
        }
        println!("{}", yaml::documents(&small));
        Ok(())
    }
}

/// Prints the first disagreements as small meshes, one for each kind of difference before a second one, and lists all.
pub(crate) fn disagreements(options: &Options, found: &[Disagreement]) -> Result<(), String> {
    let mut kinds: BTreeMap<&'static str, Vec<&Disagreement>> = BTreeMap::new();
    for disagreement in found {
        let kind = disagreement.differences[0].kind;
        kinds.entry(kind).or_default().push(disagreement);
    }
    let mut asker = Asker::of(options);
    let most = kinds.values().map(Vec::len).max().unwrap_or(0);
    let in_turn =
        (0..most).flat_map(|turn| kinds.iter().filter_map(move |(kind, list)| Some((*kind, *list.get(turn)?))));
    for (kind, disagreement) in in_turn.take(options.shrink) {
        let documents = generate::mesh(disagreement.seed, &options.features);
        asker.shrunk(&format!("seed {}", disagreement.seed), kind, documents)?;
    }
    for disagreement in found {
        let differences = &disagreement.differences;
        println!("seed {}: {} differences, first {}", disagreement.seed, differences.len(), differences[0]);
    }
    Ok(())
}

/// Compares one mesh of a file, and makes it small where the two disagree.
pub(crate) fn one(options: &Options, file: &Path) -> Result<bool, String> {
    let mesh = read(file)?;
    let mut asker = Asker::of(options);
    let answer = asker.ask("mesh", &mesh)?;
    let tally = judge(answer.clone(), mesh.clone());
    println!("{answer:#}");
    for difference in &tally.differences {
        println!("# {difference}");
    }
    let Some(first) = tally.differences.first() else { return Ok(true) };
    if options.shrink > 0 {
        let (objects, _) = manifests::parse("mesh.yaml", &mesh, "default");
        let documents = objects.into_iter().map(|loaded| loaded.object).collect();
        asker.shrunk(&file.display().to_string(), first.kind, documents)?;
    }
    Ok(false)
}

/// Prints a recording of each seed: a line of `tests/vectors/istiod-*.jsonl`.
pub(crate) fn record(options: &Options, seeds: &[u64]) -> Result<bool, String> {
    let mut asker = Asker::of(options);
    for seed in seeds {
        asker.record(&format!("m{seed}"), &text(*seed, &options.features))?;
    }
    Ok(true)
}

/// Prints a recording of each file.
pub(crate) fn record_meshes(options: &Options, files: &[PathBuf]) -> Result<bool, String> {
    let mut asker = Asker::of(options);
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        asker.record(&name, &read(file)?)?;
    }
    Ok(true)
}

/// Asks for recordings again; false where an answer is not what was recorded.
pub(crate) fn recordings(options: &Options, files: &[PathBuf]) -> Result<bool, String> {
    let mut asker = Asker::of(options);
    let (mut count, mut changed) = (0, 0);
    for file in files {
        for line in read(file)?.lines() {
            let recorded: Value = serde_json::from_str(line).map_err(|error| format!("{}: {error}", file.display()))?;
            let (name, text) =
                (recorded["id"].as_str().unwrap_or_default(), recorded["mesh"].as_str().unwrap_or_default());
            let answer = asker.ask(name, text)?;
            count += 1;
            if in_order(&answer["expected"]) != in_order(&recorded["expected"]) {
                changed += 1;
                println!("{} {name}: another answer than the recorded one", file.display());
            }
        }
    }
    println!("{count} recordings asked again, {changed} answers changed");
    Ok(changed == 0 && count > 0)
}

/// With endpoints in an order of their own: istiod walks over a map where it gathers those of a Service, so that two of one address come
/// in either order. The same request may go to any of them.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let mut value = in_order(value);
                    if let (true, Some(endpoints)) = (name == "endpoints", value.as_array_mut()) {
                        endpoints.sort_by_cached_key(ToString::to_string);
                    }
                    (name.clone(), value)
                })
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.iter().map(in_order).collect()),
        other => other.clone(),
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}
