//! The command line of the oracle.

use std::path::PathBuf;

use crate::meshes::generate::Features;

pub(crate) struct Options {
    /// The built Go program.
    pub(crate) binary: PathBuf,
    pub(crate) features: Features,
    pub(crate) task: Task,
    /// Processes at a time.
    pub(crate) workers: usize,
    /// Disagreements that are made small, at most.
    pub(crate) shrink: usize,
}

pub(crate) enum Task {
    /// Compares the meshes of these seeds.
    Compare(Vec<u64>),
    /// Prints the mesh of a seed.
    Print(u64),
    /// Compares one mesh, read from a file.
    Mesh(PathBuf),
    /// Prints recordings.
    Record(Vec<u64>),
    /// Prints recordings of meshes of files, by the files' names.
    RecordMeshes(Vec<PathBuf>),
    /// Asks for recordings again; each answer has to be the recorded one.
    Recordings(Vec<PathBuf>),
}

// === impl Options ===

impl Options {
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let binary = std::env::var_os("KUBECTL_MTLS_ORACLE").map(PathBuf::from);
        let (mut task, mut features, mut workers, mut shrink) = (None, Features::all(), 2, 5);
        let (mut recordings, mut meshes) = (Vec::new(), Vec::new());
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--seeds" => task = Some(Task::Compare(seeds(&value()?)?)),
                "--seeds-file" => task = Some(Task::Compare(seeds_of(&value()?)?)),
                "--print" => task = Some(Task::Print(number(&value()?)?)),
                "--mesh" => task = Some(Task::Mesh(value()?.into())),
                "--record" => task = Some(Task::Record(seeds(&value()?)?)),
                "--recordings" => recordings.push(PathBuf::from(value()?)),
                "--record-mesh" => meshes.push(PathBuf::from(value()?)),
                "--without" => features = features.without(&value()?)?,
                "--workers" => workers = number(&value()?)?.clamp(1, 16),
                "--shrink" => shrink = number(&value()?)?,
                // What cargo adds for benchmarks and tests.
                "--bench" => {}
                other => return Err(format!("unknown argument `{other}`; see tests/oracle/README.md")),
            }
        }
        if !recordings.is_empty() {
            task = Some(Task::Recordings(recordings));
        }
        if !meshes.is_empty() {
            task = Some(Task::RecordMeshes(meshes));
        }
        let task = task.ok_or("nothing to do: --seeds FIRST..LAST, --mesh FILE, --print SEED, ...")?;
        let binary = binary.ok_or("KUBECTL_MTLS_ORACLE is not set: start this with tests/oracle/run")?;
        Ok(Self {
            binary,
            features,
            task,
            workers: usize::try_from(workers).unwrap_or(1),
            shrink: usize::try_from(shrink).unwrap_or(0),
        })
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|error| format!("`{text}` is no number: {error}"))
}

/// `FIRST..LAST`, both included, or one seed.
fn seeds(text: &str) -> Result<Vec<u64>, String> {
    match text.split_once("..") {
        Some((first, last)) => Ok((number(first)?..=number(last)?).collect()),
        None => Ok(vec![number(text)?]),
    }
}

/// A file of such lines; what follows `#` is a remark.
fn seeds_of(file: &str) -> Result<Vec<u64>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lists: Result<Vec<Vec<u64>>, String> = lines.filter(|line| !line.is_empty()).map(seeds).collect();
    Ok(lists?.concat())
}
