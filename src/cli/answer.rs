//! What a source came to: what was read, the answer, or why there is none.

use std::collections::HashMap;

use crate::cli::drift::Idle;
use serde_json::Value;

use crate::decode::{Loaded, Problem, ProblemSeverity};
use crate::exit::Exit;
use crate::gather::bundle::BundleError;
use crate::gather::check::{Checked, NoCheck, Place, place};
use crate::gather::scope::TooMany;
use crate::model::meta::Origin;
use crate::source::cluster::ConnectError;
use crate::source::failure::{Failure, Reason};
use crate::source::manifests::Unreadable;

/// What `-f` gave: objects, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects that could be read, where they are to be applied.
    pub objects: Vec<Loaded>,
    /// What is wrong, by file, line and field.
    pub problems: Vec<Problem>,
    /// The mesh configuration that was given beside them.
    pub mesh_config: Option<Value>,
    /// Files that could not be read at all.
    pub unreadable: Vec<Unreadable>,
}

/// An answer, and whether some of the input was refused.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub checked: Checked,
    /// Part of the input could not be read or was refused; the answer is about the rest.
    pub refused: bool,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No cluster.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It cannot be asked.
    #[error(transparent)]
    Look(#[from] Failure),
    /// The bundle cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A drift that changes nothing.
    #[error(transparent)]
    Drift(#[from] Idle),
    /// More pairs than can be listed.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The lab did not start.
    #[error("the reference mesh could not be started: {0}")]
    Lab(String),
}

// === impl Manifests ===

impl Manifests {
    /// File and line of every object, by its place.
    #[must_use]
    pub fn origins(&self) -> HashMap<Place, Origin> {
        self.objects.iter().filter_map(|loaded| Some((place(&loaded.object), loaded.origin.clone()?))).collect()
    }

    /// Whether something of it could not be read or is not valid.
    #[must_use]
    pub fn refused(&self) -> bool {
        !self.unreadable.is_empty() || self.problems.iter().any(|problem| problem.severity == ProblemSeverity::Error)
    }
}

// === impl NoAnswer ===

impl From<NoCheck> for NoAnswer {
    fn from(why: NoCheck) -> Self {
        match why {
            NoCheck::Look(failure) => Self::Look(failure),
            NoCheck::TooMany(many) => Self::TooMany(many),
        }
    }
}

impl NoAnswer {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Connect(_) => Some("name one with --kubeconfig and --context, or try --standalone"),
            Self::Look(Failure { reason: Reason::Unauthorized(_), .. }) => {
                Some("log in again, or name another --context; or try --standalone")
            }
            Self::Look(_) => Some("`kubectl get namespaces` must work with the same context; or try --standalone"),
            Self::Bundle(error) => error.hint(),
            Self::Drift(idle) => idle.hint.as_deref(),
            Self::TooMany(_) => Some("--summary counts them by class; --from, -n and SERVICE narrow the question"),
            Self::Lab(_) => None,
        }
    }

    /// The exit status that says what kind of failure it is.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            // The question has to be put differently.
            Self::Drift(_) | Self::TooMany(_) => Exit::Usage,
            Self::Connect(_) | Self::Look(_) | Self::Bundle(_) | Self::Lab(_) => Exit::CouldNotWork,
        }
    }
}
