//! Objects on their way to a snapshot.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::decode::kind::{Kind, kind};
use crate::decode::pod::pod;
use crate::decode::snapshot::assemble;
use crate::decode::value::{at, text};
use crate::decode::{Assume, Loaded, Problem};
use crate::model::snapshot::Snapshot;
use crate::model::workload::Pod;

/// Objects as they come. Pods, of which there may be a hundred thousand, are read at once: what rules need of one is a fraction of
/// what it is as JSON.
#[derive(Debug, Default)]
pub struct Objects {
    whole: Vec<Loaded>,
    pods: Vec<PodRead>,
}

/// A pod before admission.
#[derive(Debug)]
pub(super) struct PodRead {
    pub(super) pod: Pod,
    /// Whether an API server has seen it; then it is what it is.
    pub(super) applied: bool,
    /// All of it where it is a control plane's, which tells more than other pods.
    pub(super) istiod: Option<Box<Value>>,
}

// === impl Objects ===

impl Objects {
    /// Adds one.
    pub fn add(&mut self, loaded: Loaded) {
        if kind(&loaded.object) == Kind::Pod {
            self.pods.push(PodRead::of(&loaded));
        } else {
            self.whole.push(loaded);
        }
    }

    /// Adds others behind those that are there.
    pub fn append(&mut self, mut others: Self) {
        self.whole.append(&mut others.whole);
        self.pods.append(&mut others.pods);
    }

    /// Those that are kept as they came: all but pods.
    #[must_use]
    pub fn whole(&self) -> &[Loaded] {
        &self.whole
    }

    /// [`snapshot`](crate::decode::snapshot()) of them all. It takes the pods with it.
    #[must_use]
    pub fn snapshot(&mut self, assume: &Assume) -> (Snapshot, Vec<Problem>) {
        let pods = std::mem::take(&mut self.pods);
        let whole = self.whole.iter().map(|loaded| (kind(&loaded.object), loaded)).collect();
        assemble(whole, pods, assume)
    }
}

impl FromIterator<Loaded> for Objects {
    fn from_iter<I: IntoIterator<Item = Loaded>>(loaded: I) -> Self {
        let mut objects = Self::default();
        for loaded in loaded {
            objects.add(loaded);
        }
        objects
    }
}

// === impl PodRead ===

impl PodRead {
    /// Reads a Pod.
    pub(super) fn of(loaded: &Loaded) -> Self {
        let object = &loaded.object;
        let is_istiod = text(object, &["metadata", "labels", "app"]) == Some("istiod");
        Self {
            pod: pod(object, loaded.origin.as_ref()),
            applied: at(object, &["status"]).is_some() || at(object, &["metadata", "uid"]).is_some(),
            istiod: is_istiod.then(|| Box::new(object.clone())),
        }
    }
}

/// Of pods with one name the last; `twice` is told of each that is not, with the one that counts.
pub(super) fn distinct(pods: Vec<PodRead>, mut twice: impl FnMut(&PodRead, &PodRead)) -> Vec<PodRead> {
    let mut last: HashMap<(&str, &str), usize> = HashMap::with_capacity(pods.len());
    let mut replaced = HashSet::new();
    for (place, read) in pods.iter().enumerate() {
        let meta = &read.pod.meta;
        if let Some(earlier) = last.insert((&meta.namespace, &meta.name), place) {
            replaced.insert(earlier);
            if let Some(earlier) = pods.get(earlier) {
                twice(earlier, read);
            }
        }
    }
    if replaced.is_empty() {
        return pods;
    }
    pods.into_iter().enumerate().filter(|(place, _)| !replaced.contains(place)).map(|(_, read)| read).collect()
}
