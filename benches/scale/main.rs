//! Meshes of real size, decided from manifests alone: against `istioctl analyze` on the same file, and as they grow.
//!
//! `cargo bench --bench scale`. istioctl is built once from its published module, with the modules that `tests/oracle` names, and
//! kept in the user's cache; without Go that half says NOT RUN. Limits are missed only by more than noise explains.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measurement prints, and one that cannot be made has failed"
)]

mod generate;
mod istioctl;
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use generate::Mesh;
use kubectl_mtls::decode::manifests;
use measure::{Cost, best_of, cost};

const BINARY: &str = env!("CARGO_BIN_EXE_kubectl-mtls");

fn main() -> ExitCode {
    let place = Place::new();
    let kept = [against_istioctl(&place), growth(&place), largest(&place)];
    if kept.iter().all(|kept| *kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where meshes are written; gone at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("kubectl-mtls-scale-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        Self(directory)
    }

    fn mesh(&self, services: usize, pods: usize) -> PathBuf {
        let file = self.0.join(format!("mesh-{services}-{pods}.yaml"));
        Mesh { services, pods }.write(&file);
        file
    }

    /// The same objects, one JSON document after the other.
    fn as_json(&self, yaml: &Path) -> PathBuf {
        let text = std::fs::read_to_string(yaml).expect("the mesh was written");
        let (objects, problems) = manifests::parse("mesh.yaml", &text, "default");
        assert!(problems.is_empty(), "{problems:?}");
        let documents: Vec<String> = objects.iter().map(|loaded| format!("---\n{}\n", loaded.object)).collect();
        let file = self.0.join("mesh.json.yaml");
        std::fs::write(&file, documents.concat()).expect("the mesh can be written");
        file
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ours(file: &Path) -> Vec<&str> {
    vec![BINARY, "check", "--summary", "--fail-on", "never", "-f", name(file)]
}

fn name(file: &Path) -> &str {
    file.to_str().expect("a path of ASCII")
}

/// No more time and memory than istioctl takes to look at the same file without deciding any pair.
fn against_istioctl(place: &Place) -> bool {
    let yaml = place.mesh(1_000, 2_000);
    let json = place.as_json(&yaml);
    let istioctl = istioctl::built();
    let kept = [(&yaml, "YAML"), (&json, "JSON")].map(|(file, form)| {
        println!("1,000 services, 2,000 pods, {} of {form}, process start to summary, best of {RUNS}:", size(file));
        match &istioctl {
            Some(istioctl) => compared(file, istioctl),
            None => alone(file),
        }
    });
    kept.iter().all(|kept| *kept)
}

const RUNS: usize = 7;

fn compared(file: &Path, istioctl: &str) -> bool {
    let theirs = [istioctl, "analyze", "-A", "--use-kube=false", name(file)];
    let [decided, analysed] = best_of(RUNS, [&ours(file), &theirs]);
    println!("  kubectl-mtls check --summary      {decided}");
    println!("  istioctl analyze --use-kube=false {analysed}");
    tell(&decided);
    // Measured in the same minute on the same machine.
    let in_time = kept("wall time against istioctl, ratio", decided.milliseconds() / analysed.milliseconds(), 1.0);
    kept("peak memory against istioctl, ratio", decided.mebibytes() / analysed.mebibytes(), 1.0) && in_time
}

fn alone(file: &Path) -> bool {
    let [decided] = best_of(RUNS, [&ours(file)]);
    println!("  kubectl-mtls check --summary      {decided}");
    println!("  istioctl analyze --use-kube=false NOT RUN: no Go, or its modules could not be had");
    tell(&decided);
    kept("wall time, ms", decided.milliseconds(), 2_000.0)
}

/// What was counted: pairs by verdict, classes, answers.
fn tell(cost: &Cost) {
    for line in &cost.counts {
        println!("  {line}");
    }
}

/// Twice the pods of each workload is twice the file and four times the pairs; the answers per service port stay.
fn growth(place: &Place) -> bool {
    println!("as a mesh grows:");
    println!("  services     pods         pairs   wall ms   peak MiB   ns a pair   classes");
    let mut costs = Vec::new();
    for (services, pods) in [(1_000, 2_000), (1_000, 4_000), (1_000, 8_000), (2_000, 4_000), (4_000, 8_000)] {
        let [cost] = best_of(3, [&ours(&place.mesh(services, pods))]);
        // Pods without an owner are workloads of their own, and every Service has two ports.
        let pairs = f64::from(u32::try_from(2 * services * pods).expect("a few million"));
        let (wall, peak) = (cost.milliseconds(), cost.mebibytes());
        let classes = cost.counts.last().map(String::as_str).unwrap_or_default();
        println!(
            "  {services:>8} {pods:>8} {pairs:>13.0} {wall:>9.0} {peak:>10.0} {:>11.1}   {classes}",
            wall * 1e6 / pairs
        );
        costs.push(cost);
    }
    let growth = costs.get(4).zip(costs.first()).map(|(last, first)| last.milliseconds() / first.milliseconds());
    kept("time for 16 times the pairs, ratio", growth.expect("five meshes"), 8.0)
}

fn largest(place: &Place) -> bool {
    let file = place.mesh(20_000, 100_000);
    let cost = cost(&ours(&file));
    println!("20,000 services, 100,000 pods, {} of YAML: {cost}", size(&file));
    tell(&cost);
    let in_time = kept("wall time, s", cost.milliseconds() / 1e3, 10.0);
    kept("peak memory, MiB", cost.mebibytes(), 1e9 / 1_048_576.0) && in_time
}

fn kept(what: &str, measured: f64, limit: f64) -> bool {
    let kept = measured <= limit;
    println!("  {what:<40} {measured:>8.2}   limit {limit:>7.2}   {}", if kept { "kept" } else { "MISSED" });
    kept
}

fn size(file: &Path) -> String {
    let bytes = std::fs::metadata(file).expect("the mesh was written").len();
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
