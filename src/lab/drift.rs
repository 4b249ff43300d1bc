//! Proxies that do not do what policy demands, on purpose: so that each gap between the witnesses can be shown.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::lab::desired::{Desired, DesiredPod, PodId};
use crate::lab::store::{Key, Store};
use crate::model::snapshot::Snapshot;
use crate::model::workload::Pod;

/// A drift of one workload's pods, or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    kind: DriftKind,
    /// Name and namespace; `None` = every workload.
    workload: Option<(String, String)>,
}

/// Where the mesh departs from policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind {
    /// The client's proxy keeps what it sent before there were policies.
    Client,
    /// The server's proxy keeps what it accepted before there were policies.
    Server,
    /// The proxy is right and is passed by: its pod's inbound ports are not caught any more.
    Bypass,
    /// The server's proxy refused the update of its inbound listener and keeps the one from before.
    Rejected,
}

/// A drift that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write client, server, bypass or rejected, and the workload behind it: server=httpbin.bar")]
pub struct NoDrift;

/// Envoy's own words for a listener that it does not take, as recorded.
const REFUSED: &str = "error adding listener '0.0.0.0:15006': filter chain '0.0.0.0_80' has the same matching rules defined as \
     '0.0.0.0_80'. duplicate matcher is: {\"destination_port\":80,\"transport_protocol\":\"tls\"}";

// === impl Drift ===

impl Drift {
    /// Changes what this workload's pods are told.
    ///
    /// `before` is what all pods would be told if there were no policies.
    pub(super) fn apply(&self, snapshot: &Snapshot, before: &Desired, desired: &mut Desired) {
        for pod in snapshot.pods.iter().filter(|pod| self.concerns(pod)) {
            let id = PodId { namespace: pod.meta.namespace.clone(), name: pod.meta.name.clone() };
            if let (Some(pod), Some(before)) = (desired.pods.get_mut(&id), before.pods.get(&id)) {
                self.change(pod, before);
            }
        }
    }

    fn change(&self, pod: &mut DesiredPod, before: &DesiredPod) {
        let (Some(config), Some(before)) = (&mut pod.sidecar, &before.sidecar) else { return };
        match self.kind {
            DriftKind::Client => config.outbound.clone_from(&before.outbound),
            DriftKind::Server | DriftKind::Rejected => config.inbound.clone_from(&before.inbound),
            DriftKind::Bypass => pod.capture.include_inbound = Some(BTreeSet::new()),
        }
    }

    /// Whether the proxy of this pod refused its newest listener.
    pub(super) fn rejects(&self, pod: &Pod) -> bool {
        self.kind == DriftKind::Rejected && self.concerns(pod)
    }

    /// `httpbin.bar`; `None` where every workload is meant.
    #[must_use]
    pub fn workload(&self) -> Option<String> {
        self.workload.as_ref().map(|(name, namespace)| format!("{name}.{namespace}"))
    }

    fn concerns(&self, pod: &Pod) -> bool {
        let named = |(name, namespace): &(String, String)| pod.workload.name == *name && pod.namespace() == namespace;
        self.workload.as_ref().is_none_or(named)
    }
}

impl FromStr for Drift {
    type Err = NoDrift;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, workload) = match text.split_once('=') {
            Some((kind, workload)) => (kind, Some(workload.rsplit_once('.').ok_or(NoDrift)?)),
            None => (text, None),
        };
        let kind = match kind {
            "client" => DriftKind::Client,
            "server" => DriftKind::Server,
            "bypass" => DriftKind::Bypass,
            "rejected" => DriftKind::Rejected,
            _ => return Err(NoDrift),
        };
        let workload = workload.map(|(name, namespace)| (name.to_owned(), namespace.to_owned()));
        Ok(Self { kind, workload })
    }
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            DriftKind::Client => "client",
            DriftKind::Server => "server",
            DriftKind::Bypass => "bypass",
            DriftKind::Rejected => "rejected",
        };
        match &self.workload {
            Some((name, namespace)) => write!(f, "{kind}={name}.{namespace}"),
            None => f.write_str(kind),
        }
    }
}

/// What is this old is no push under way, and no connection that was pooled before it is left.
pub(super) const AGE: jiff::SignedDuration = jiff::SignedDuration::from_hours(2);

/// Makes every policy look as if it was written long ago: what proxies lack of it, they were not given.
pub(super) fn let_time_pass(store: &Store) {
    let groups = ["security.istio.io", "networking.istio.io"];
    store.write(|transaction| {
        for object in transaction.all() {
            let Some(key) = Key::of(&object).filter(|key| groups.contains(&key.group.as_str())) else { continue };
            let mut older = (*object).clone();
            let managers = older.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
            for time in managers.into_iter().flatten().filter_map(|manager| manager.get_mut("time")) {
                let then = time.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                if let Some(then) = then.and_then(|then| then.checked_sub(AGE).ok()) {
                    *time = Value::from(then.to_string());
                }
            }
            transaction.put(&key, older);
        }
    });
}

/// The mesh without the policies that decide about mutual TLS.
pub(super) fn without_policies(snapshot: &Snapshot) -> Snapshot {
    Snapshot { peer_authentications: Vec::new(), destination_rules: Vec::new(), ..snapshot.clone() }
}

/// Shows the refused update as Envoy does: beside the listener that goes on, and once more without a name.
///
/// Envoy: `source/common/listener_manager/lds_api.cc`, `UpdateFailureState`; the shape as recorded.
pub(super) fn show_rejected(sections: &mut [Value]) {
    let listeners = sections.iter_mut().find_map(|section| section.get_mut("dynamic_listeners")?.as_array_mut());
    let Some(listeners) = listeners else { return };
    let inbound =
        listeners.iter_mut().find(|listener| listener.get("name").is_some_and(|name| name == "virtualInbound"));
    let Some(inbound) = inbound.and_then(Value::as_object_mut) else { return };
    let state = inbound.get("active_state").cloned().unwrap_or_default();
    let part = |name: &str| state.get(name).cloned().unwrap_or_default();
    let failed = part("listener");
    inbound.insert(
        "error_state".to_owned(),
        json!({ "failed_configuration": failed, "last_update_attempt": part("last_updated"), "details": REFUSED }),
    );
    listeners.push(json!({ "error_state": { "failed_configuration": failed, "details": REFUSED } }));
}
