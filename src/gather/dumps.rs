//! Dumps of proxies that were taken before, in place of asking them.

use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;

use crate::model::evidence::FailedLook;
use crate::model::snapshot::Snapshot;
use crate::model::workload::Pod;
use crate::programmed::Proxies;
use crate::programmed::proxy::Wanted;

/// A dump of a workload's proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Name of the workload, or of a pod.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// `config_dump`, whole or any part of it.
    pub file: PathBuf,
}

/// What names no dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write WORKLOAD.NAMESPACE=FILE, like sleep.foo=sleep.json")]
pub struct NoDump;

impl FromStr for Dump {
    type Err = NoDump;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (who, file) = text.split_once('=').ok_or(NoDump)?;
        let (workload, namespace) = who.rsplit_once('.').ok_or(NoDump)?;
        let parts = [workload, namespace, file];
        if parts.iter().any(|part| part.is_empty()) {
            return Err(NoDump);
        }
        Ok(Self { workload: workload.to_owned(), namespace: namespace.to_owned(), file: PathBuf::from(file) })
    }
}

impl std::fmt::Display for Dump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}={}", self.workload, self.namespace, self.file.display())
    }
}

/// Takes each dump for all pods of its workload; one that fits nothing, or cannot be opened, is a failed look.
pub fn take(proxies: &mut Proxies, snapshot: &Snapshot, dumps: &[Dump], wanted: &Wanted, failed: &mut Vec<FailedLook>) {
    for dump in dumps {
        let tried = format!("take `{}` for the proxy of {}.{}", dump.file.display(), dump.workload, dump.namespace);
        let mut pods = snapshot.pods.iter().filter(|pod| of(dump, pod));
        let Some(first) = pods.next() else {
            let next = Some("name a workload or a pod of the mesh as WORKLOAD.NAMESPACE".to_owned());
            failed.push(FailedLook { tried, why: "there is no such workload".to_owned(), next });
            continue;
        };
        let open = || File::open(&dump.file);
        if let Err(error) = proxies.read_stream(first.namespace(), &first.meta.name, open, wanted) {
            failed.push(FailedLook { tried, why: error.to_string(), next: None });
            continue;
        }
        for pod in pods {
            proxies.same_as(first.namespace(), &first.meta.name, &pod.meta.name);
        }
    }
}

fn of(dump: &Dump, pod: &Pod) -> bool {
    let named = pod.workload.name == dump.workload || pod.meta.name == dump.workload;
    pod.namespace() == dump.namespace && named && !pod.finished
}
