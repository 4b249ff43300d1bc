//! Manifest files as they stand on disk or come on standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

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

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads what `-f` names: a file, every manifest of a directory (in byte order, as kubectl does), or `-`.
///
/// What can be read is returned beside what cannot.
#[must_use]
pub fn read(name: &Path) -> (Vec<Text>, Vec<Unreadable>) {
    if name == Path::new("-") {
        let mut bytes = Vec::new();
        let outcome = std::io::stdin().read_to_end(&mut bytes).map_err(|error| error.to_string());
        return sort(vec![("-".to_owned(), outcome.and_then(|_| text_of(bytes)))]);
    }
    let files = if name.is_dir() { manifests_in(name) } else { Ok(vec![name.to_owned()]) };
    match files {
        Err(error) => sort(vec![(name.display().to_string(), Err(error.to_string()))]),
        Ok(files) if files.is_empty() => {
            let reason = "the directory holds no .yaml, .yml or .json file".to_owned();
            sort(vec![(name.display().to_string(), Err(reason))])
        }
        Ok(files) => sort(files.into_iter().map(|file| (file.display().to_string(), read_file(&file))).collect()),
    }
}

fn sort(outcomes: Vec<(String, Result<String, String>)>) -> (Vec<Text>, Vec<Unreadable>) {
    let mut texts = Vec::new();
    let mut failures = Vec::new();
    for (file, outcome) in outcomes {
        match outcome {
            Ok(text) => texts.push(Text { file, text }),
            Err(reason) => failures.push(Unreadable { file, reason }),
        }
    }
    (texts, failures)
}

fn manifests_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let manifest =
            path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending));
        if manifest && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(file: &Path) -> Result<String, String> {
    std::fs::read(file).map_err(|error| error.to_string()).and_then(text_of)
}

fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text (byte {} is not part of a character)", error.utf8_error().valid_up_to())
    })
}
