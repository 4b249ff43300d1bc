//! A bundle: what was read of a mesh, as far as the rules use it, in a directory that can be handed on.
//!
//! Nothing is kept because it was there: objects are the model's, dumps and transcripts pass an allow-list of fields. Keys,
//! tokens and environment values have no field.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::gather::proxies::Looked;
use crate::model::evidence::{FailedLook, Reading, Transfer, Unseen};
use crate::model::pair::ServerRef;
use crate::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use crate::model::snapshot::Snapshot;
use crate::observed::causes::Heard;
use crate::observed::repeats::Repeats;
use crate::verdict::report::traffic::Watched;

mod dump;
mod transcript;

/// The version of the form below; a bundle of another one is refused.
const VERSION: u32 = 1;
const KIND: &str = "kubectl-mtls-bundle";

const HEAD: &str = "bundle.json";
const SNAPSHOT: &str = "snapshot.json";
const PROBES: &str = "probes.json";
const PROXIES: &str = "proxies.json";
/// Only where somebody waited for it.
const TRAFFIC: &str = "traffic.json";

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// What it is and where it is from.
    pub head: Head,
    /// The mesh.
    pub snapshot: Snapshot,
    /// What requests showed.
    pub probes: Vec<Probed>,
    /// What proxies told.
    pub proxies: Looked,
    /// What the servers' counters did: numbers and names, all of which the report shows.
    pub traffic: Vec<Watched>,
}

/// The first file of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// `kubectl-mtls-bundle`.
    pub kind: String,
    /// The form of the files beside it.
    pub version: u32,
    /// What was looked at, as it was said then.
    pub looked_at: String,
    /// The namespace that commands worked in.
    pub namespace: String,
    /// Whether the server knew Istio's kinds.
    pub istio: bool,
    /// Whether a look that was asked for failed.
    pub failed_looks: bool,
    /// Looks that failed.
    pub failed: Vec<FailedLook>,
}

/// What a request showed, by both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probed {
    /// Namespace of the client's pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// What it called.
    pub server: ServerRef,
    /// What came of it.
    pub reading: Reading<Transfer>,
    /// What both ends' proxies counted and logged of it: names of counters, Envoy's flags and details.
    #[serde(default, skip_serializing_if = "Heard::is_empty")]
    pub heard: Heard,
    /// What became of it when it was sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
}

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The directory holds something already.
    #[error("`{0}` is not empty")]
    NotEmpty(PathBuf),
    /// A file could not be written or read.
    #[error("cannot use `{file}`: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{file}` is no part of a bundle: {reason}")]
    Malformed {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The bundle is of another version.
    #[error("the bundle `{directory}` has version {found}, this program reads version {VERSION}")]
    Version {
        /// The bundle.
        directory: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// A proxy's answers, or why there are none, as they are kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    namespace: String,
    pod: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stands_for: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_at: Option<jiff::Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answers: Vec<Said>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unseen: Option<Unseen>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    query: String,
    body: dump::Body,
}

// === impl BundleError ===

impl BundleError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotEmpty(_) => Some("name a directory that is not there yet"),
            Self::Malformed { .. } => Some("name the directory that --save wrote"),
            Self::Version { .. } => Some("read it with the kubectl-mtls that wrote it, or save it again"),
            Self::File { .. } => None,
        }
    }
}

// === impl Head ===

impl Head {
    /// The head of what is written now.
    #[must_use]
    pub fn new(looked_at: &str, namespace: &str) -> Self {
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            looked_at: looked_at.to_owned(),
            namespace: namespace.to_owned(),
            ..Self::default()
        }
    }
}

// === impl Record ===

impl Record {
    /// Writes it into a directory that is empty or not there yet.
    ///
    /// # Errors
    /// [`BundleError::NotEmpty`], [`BundleError::File`].
    pub fn save(&self, directory: &Path) -> Result<(), BundleError> {
        let failed = |source| BundleError::File { file: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(failed)?;
        if std::fs::read_dir(directory).map_err(failed)?.next().is_some() {
            return Err(BundleError::NotEmpty(directory.to_owned()));
        }
        let probes: Vec<Probed> = self.probes.iter().map(transcript::reduced).collect();
        let told: Vec<Told> = self.proxies.answers.iter().map(Told::of).chain(self.unseen()).collect();
        write(directory, SNAPSHOT, &self.snapshot)?;
        write(directory, PROBES, &probes)?;
        write(directory, PROXIES, &told)?;
        if !self.traffic.is_empty() {
            write(directory, TRAFFIC, &self.traffic)?;
        }
        // Last, so that a bundle that has it is whole.
        write(directory, HEAD, &self.head)
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// Any of [`BundleError`] but `NotEmpty`.
    pub fn load(directory: &Path) -> Result<Self, BundleError> {
        let head: Head = read(directory, HEAD)?;
        if head.kind != KIND {
            let reason = format!("its kind is `{}`, not `{KIND}`", head.kind);
            return Err(BundleError::Malformed { file: directory.join(HEAD), reason });
        }
        if head.version != VERSION {
            return Err(BundleError::Version { directory: directory.to_owned(), found: head.version });
        }
        let mut proxies = Looked::default();
        for told in read::<Vec<Told>>(directory, PROXIES)? {
            match told.unseen {
                Some(why) => proxies.unseen.push((told.namespace, told.pod, why)),
                None => proxies.answers.push(told.answers()),
            }
        }
        let traffic = if directory.join(TRAFFIC).exists() { read(directory, TRAFFIC)? } else { Vec::new() };
        Ok(Self { snapshot: read(directory, SNAPSHOT)?, probes: read(directory, PROBES)?, head, proxies, traffic })
    }

    fn unseen(&self) -> impl Iterator<Item = Told> {
        self.proxies.unseen.iter().map(|(namespace, pod, why)| Told {
            namespace: namespace.clone(),
            pod: pod.clone(),
            unseen: Some(why.clone()),
            ..Told::default()
        })
    }
}

// === impl Told ===

impl Told {
    fn of(answers: &ProxyAnswers) -> Self {
        let said = |answer: &Answer| Said { query: answer.query.clone(), body: dump::Body::reduced(&answer.body) };
        Self {
            namespace: answers.namespace.clone(),
            pod: answers.pod.clone(),
            stands_for: answers.stands_for.clone(),
            read_at: answers.read_at,
            answers: answers.answers.iter().map(said).collect(),
            unseen: None,
        }
    }

    fn answers(self) -> ProxyAnswers {
        let said =
            |said: Said| Answer { endpoint: AdminEndpoint::ConfigDump, query: said.query, body: said.body.bytes() };
        ProxyAnswers {
            namespace: self.namespace,
            pod: self.pod,
            stands_for: self.stands_for,
            read_at: self.read_at,
            answers: self.answers.into_iter().map(said).collect(),
        }
    }
}

fn write(directory: &Path, name: &str, value: &impl Serialize) -> Result<(), BundleError> {
    let file = directory.join(name);
    let failed = |source| BundleError::File { file: file.clone(), source };
    let mut text = serde_json::to_string_pretty(value).map_err(|error| failed(error.into()))?;
    text.push('\n');
    std::fs::write(&file, text).map_err(failed)
}

fn read<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<T, BundleError> {
    let file = directory.join(name);
    let bytes = std::fs::read(&file).map_err(|source| BundleError::File { file: file.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| BundleError::Malformed { file, reason: error.to_string() })
}
