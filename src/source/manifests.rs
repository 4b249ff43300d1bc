//! Manifest files as they stand on disk or come on standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::source::text;

/// A file's text and the name it is called by in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Path as the user gave it; `-` for standard input.
    pub file: String,
    /// Its content.
    pub text: String,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{file}`: {reason}")]
pub struct Unreadable {
    /// Path as the user gave it.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What became of one file.
type Outcome = Result<Text, Unreadable>;

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads what `-f` names: a file, every manifest of a directory (in byte order, as kubectl does; with `recursive` of those below
/// it too), a pattern where no file has that name, or `-`.
///
/// What can be read is returned beside what cannot. Links to files are followed, links to directories below the named one are
/// not, so a circle of links ends (`k8s.io/cli-runtime/pkg/resource/visitor.go`: `ExpandPathsToFileVisitors`).
#[must_use]
pub fn read(name: &Path, recursive: bool) -> (Vec<Text>, Vec<Unreadable>) {
    let mut read = Vec::new();
    let mut failed = Vec::new();
    for outcome in outcomes(name, recursive) {
        match outcome {
            Ok(text) => read.push(text),
            Err(failure) => failed.push(failure),
        }
    }
    (read, failed)
}

fn outcomes(name: &Path, recursive: bool) -> Vec<Outcome> {
    if is_address(name) {
        let reason = "nothing is fetched; give what it holds: `curl -fsS ADDRESS | kubectl mtls check -f -`";
        return vec![unreadable(name, reason)];
    }
    if name == Path::new("-") || name.exists() {
        return named(name, recursive);
    }
    let matches = matching(name);
    if matches.is_empty() {
        return vec![read_one(name)];
    }
    matches.iter().flat_map(|found| named(found, recursive)).collect()
}

/// Reads a path that is there.
fn named(name: &Path, recursive: bool) -> Vec<Outcome> {
    if !name.is_dir() {
        return vec![read_one(name)];
    }
    let mut found = Vec::new();
    collect(name, recursive, &mut found);
    if found.is_empty() {
        let below = if recursive { "" } else { "; -R looks into those below it" };
        return vec![unreadable(name, &format!("the directory holds no .yaml, .yml or .json file{below}"))];
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Reads one file, or `-`.
///
/// # Errors
/// [`Unreadable`] where it is not there, or no text.
pub fn read_one(name: &Path) -> Result<Text, Unreadable> {
    let bytes = if name == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(name)
    };
    let text = bytes.map_err(|error| error.to_string()).and_then(text::decode);
    text.map(|text| Text { file: name.display().to_string(), text }).map_err(|reason| failure(name, &reason))
}

/// Every manifest of a directory, read; what cannot be looked at is a failure of its own.
fn collect(directory: &Path, recursive: bool, found: &mut Vec<(PathBuf, Outcome)>) {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                found.push((directory.clone(), unreadable(&directory, &error.to_string())));
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Err(error) => found.push((directory.clone(), unreadable(&directory, &error.to_string()))),
                Ok((path, kind)) if kind.is_dir() => directories.extend(recursive.then_some(path)),
                Ok((path, _)) if is_manifest(&path) && !path.is_dir() => {
                    let outcome = read_entry(&path);
                    found.push((path, outcome));
                }
                Ok(_) => {}
            }
        }
    }
}

/// A file of a directory: unlike one that was named, it is not awaited if it is a pipe.
fn read_entry(path: &Path) -> Outcome {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => read_one(path),
        Ok(_) => unreadable(path, "it is no regular file"),
        Err(error) => unreadable(path, &error.to_string()),
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

fn is_address(name: &Path) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("http://") || name.starts_with("https://"))
}

/// What a quoted pattern stands for, in byte order; nothing where it is no pattern.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let found = pattern.to_str().map(glob::glob);
    found.into_iter().flatten().flatten().flatten().collect()
}

fn unreadable(name: &Path, reason: &str) -> Outcome {
    Err(failure(name, reason))
}

fn failure(name: &Path, reason: &str) -> Unreadable {
    Unreadable { file: name.display().to_string(), reason: reason.to_owned() }
}
