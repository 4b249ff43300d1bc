//! The inputs of the fuzz targets, replayed: `fuzz/corpus/TARGET/` holds what once broke something and what shows the way in.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a corpus that cannot be read is a failed test")]

use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "they are public for the fuzzers")]
mod targets;

fn corpus(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_input_of_every_corpus_is_taken_whole_and_cut() {
    for (name, target) in targets::TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            target(&bytes);
            for end in (0..bytes.len()).step_by(bytes.len().div_ceil(40).max(1)) {
                target(bytes.get(..end).unwrap());
            }
        }
    }
}

#[test]
fn every_target_is_one_of_the_fuzzers() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    let named: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    let expected: Vec<String> = targets::TARGETS.iter().map(|(name, _)| format!("{name}.rs\"")).collect();
    let mut named: Vec<String> = named.into_iter().map(str::to_owned).collect();
    named.sort();
    assert_eq!(named, expected);
}
