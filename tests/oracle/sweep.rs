//! Many meshes through both, two processes at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::meshes::compare;
use crate::meshes::generate::{self, Features};
use crate::meshes::recorded::Recorded;
use crate::meshes::tally::{Difference, Tally};
use crate::meshes::yaml;
use crate::options::Options;
use crate::process::{LIFETIME, Oracle};
use crate::report;

/// How often a mesh is asked about once more before it counts as a disagreement.
const ASK_AGAIN: usize = 3;

/// A mesh about which the two disagree.
pub(crate) struct Disagreement {
    pub(crate) seed: u64,
    pub(crate) differences: Vec<Difference>,
}

/// The mesh of a seed, as text.
pub(crate) fn text(seed: u64, features: &Features) -> String {
    yaml::documents(&generate::mesh(seed, features))
}

/// Compares the meshes of the seeds; false where any differs.
pub(crate) fn compare(options: &Options, seeds: &[u64]) -> Result<bool, String> {
    let began = Instant::now();
    let chunks = Mutex::new(seeds.chunks(LIFETIME));
    let next = || chunks.lock().map_or(None, |mut chunks| chunks.next());
    let work = || {
        let mut sum = Sum::default();
        while let Some(chunk) = next() {
            let part = Sum::of(options, chunk)?;
            eprintln!(
                "seeds {}..{}: {} disagree, {} s",
                chunk[0],
                chunk[chunk.len() - 1],
                part.disagreements.len(),
                began.elapsed().as_secs()
            );
            sum.add(part);
        }
        Ok(sum)
    };
    let parts: Vec<Result<Sum, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".to_owned())))
            .collect()
    });
    let mut sum = Sum::default();
    for part in parts {
        sum.add(part?);
    }
    sum.disagreements.sort_by_key(|disagreement| disagreement.seed);
    report::disagreements(options, &sum.disagreements)?;
    let (tally, failed) = (&sum.tally, sum.disagreements.len());
    println!(
        "{} meshes, {} servers, {} pairs, {} endpoints, {} checks, {} s; {} refused by both; {} answered two ways by istiod; {failed} disagree",
        sum.meshes,
        tally.servers,
        tally.pairs,
        tally.endpoints,
        tally.checks,
        began.elapsed().as_secs(),
        sum.refused,
        sum.unsteady,
    );
    println!("{} passed, {failed} failed", sum.meshes - failed);
    Ok(failed == 0)
}

/// What one or several processes came to.
#[derive(Default)]
struct Sum {
    meshes: usize,
    /// Meshes with an object that no cluster would have let in.
    refused: usize,
    /// Meshes that istiod itself answers now one way, now another (a race between its parts), one of them as the rules do.
    unsteady: usize,
    tally: Tally,
    disagreements: Vec<Disagreement>,
}

// === impl Sum ===

impl Sum {
    fn of(options: &Options, seeds: &[u64]) -> Result<Self, String> {
        let mut sum = Self::default();
        let mut oracle = Oracle::start(&options.binary)?;
        for seed in seeds {
            let mesh = text(*seed, &options.features);
            let answer = oracle.ask(&format!("m{seed}"), &mesh).map_err(|error| format!("seed {seed}: {error}"))?;
            sum.meshes += 1;
            let mut tally = judge(answer, mesh.clone());
            sum.refused += usize::from(tally.checks == 0 && tally.differences.is_empty());
            let mut differences = std::mem::take(&mut tally.differences);
            if !differences.is_empty() && answers_otherwise(options, &mesh)? {
                eprintln!("seed {seed}: istiod has several answers, one of them ours");
                sum.unsteady += 1;
                differences.clear();
            }
            if let Some(first) = differences.first() {
                eprintln!("seed {seed}: {} differences, first {first}", differences.len());
                sum.disagreements.push(Disagreement { seed: *seed, differences });
            }
            sum.tally.add(tally);
        }
        Ok(sum)
    }

    fn add(&mut self, other: Self) {
        self.meshes += other.meshes;
        self.refused += other.refused;
        self.unsteady += other.unsteady;
        self.tally.add(other.tally);
        self.disagreements.extend(other.disagreements);
    }
}

/// Whether istiod, asked again, gives the answer of the rules.
fn answers_otherwise(options: &Options, mesh: &str) -> Result<bool, String> {
    let mut oracle = Oracle::start(&options.binary)?;
    for _ in 0..ASK_AGAIN {
        if judge(oracle.ask("again", mesh)?, mesh.to_owned()).differences.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Holds the rules against an answer; a mesh that one of them cannot take is a difference too.
pub(crate) fn judge(answer: Value, mesh: String) -> Tally {
    let mut tally = Tally::default();
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    if let Some(error) = answer["error"].as_str() {
        tally.differ("error", &id, String::new(), error.to_owned());
        return tally;
    }
    let recorded: Recorded = match serde_json::from_value(answer) {
        Ok(recorded) => Recorded { mesh, ..recorded },
        Err(error) => {
            tally.differ("format", &id, error.to_string(), String::new());
            return tally;
        }
    };
    catch_unwind(AssertUnwindSafe(|| compare::answer(&recorded))).unwrap_or_else(|_| {
        tally.differ("panic", &id, "the rules panicked".to_owned(), String::new());
        tally
    })
}
