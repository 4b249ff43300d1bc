//! What the recorded proxies logged and counted, held against the lab's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kubectl_mtls::lab::dataplane::Dataplane;
use kubectl_mtls::lab::desired::PodId;
use kubectl_mtls::lab::proxy::access_log::AccessLogEntry;
use serde::Deserialize;

use crate::envoy::known;

/// How long a proxy may take to log a connection that is over for its caller.
const SETTLE: Duration = Duration::from_secs(3);
/// What the TLS inspector says of every plaintext connection, successful ones included: evidence of nothing.
const INSPECTED: &str = "TLS_error|error:";

#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    upstream_cluster: Option<String>,
    access_log_distinct: Vec<Line>,
    stats: BTreeMap<String, u64>,
}

/// Which lines of a log have to be the recorded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// All.
    All,
    /// Those that are there: endpoints of a mixed fleet are picked at random.
    Some,
    /// None.
    Left,
}

#[derive(Debug, Deserialize)]
struct Line {
    log: String,
    response_code: u16,
    flags: String,
    #[serde(default)]
    details: String,
    upstream_transport_failure_reason: String,
    downstream_transport_failure_reason: String,
    /// Of connections; compared in the place of `details`, which connections have none of.
    #[serde(default)]
    connection_termination_details: Option<String>,
    attempt_count: u32,
}

/// A log line as it is compared: flags as a set.
pub(crate) type Shown = (String, u16, BTreeSet<String>, String, String, String, u32);

impl Recorded {
    /// Every difference.
    pub(crate) async fn differences(&self, dataplane: &Dataplane, pod: &PodId, logs: Logs) -> Vec<String> {
        let expected: BTreeSet<Shown> = self.access_log_distinct.iter().filter_map(Line::shown).collect();
        let complete = |log: &[AccessLogEntry]| {
            logs != Logs::All || log.iter().map(shown).collect::<BTreeSet<_>>().is_superset(&expected)
        };
        let log = match tokio::time::timeout(SETTLE, dataplane.access_log_until(pod, complete)).await {
            Ok(log) => log,
            Err(_) => dataplane.access_log(pod),
        };
        let admin = dataplane.envoy(pod);
        let told = if admin.is_some() { known::lines } else { BTreeSet::clone };
        let (got, expected) = (told(&log.iter().map(shown).collect()), told(&expected));
        let mut differences = Vec::new();
        let agrees = match logs {
            Logs::All => got == expected,
            Logs::Some => got.is_subset(&expected),
            Logs::Left => true,
        };
        if !agrees {
            differences.push(format!("log {got:?}, recorded {expected:?}"));
        }
        let clusters: BTreeSet<_> = log.iter().filter_map(|entry| entry.upstream_cluster.clone()).collect();
        if logs != Logs::Left && clusters != self.upstream_cluster.iter().cloned().collect() {
            differences.push(format!("clusters {clusters:?}, recorded {:?}", self.upstream_cluster));
        }
        let counters = match &admin {
            Some(admin) => admin.counters().await.expect("counters"),
            None => dataplane.counters(pod).expect("a sidecar"),
        };
        let grown: BTreeSet<String> = counters.iter().map(|(name, _)| name.to_owned()).collect();
        // Two runs of one Envoy differ in it.
        let over_tcp = admin.is_some() || self.access_log_distinct.iter().any(Line::is_quiet_connection);
        let compared = |name: &&String| {
            !(over_tcp && name.ends_with(RACES_ON_TCP)) && COMPARED.iter().any(|suffix| name.ends_with(suffix))
        };
        let wanted: BTreeSet<String> = self.stats.keys().map(|name| listener(name)).collect();
        let wanted: BTreeSet<String> = wanted.iter().filter(compared).cloned().collect();
        let grown: BTreeSet<String> = grown.iter().filter(compared).cloned().collect();
        if grown != wanted {
            let more: Vec<_> = grown.difference(&wanted).collect();
            let less: Vec<_> = wanted.difference(&grown).collect();
            differences.push(format!("counters: grew {more:?}, did not grow {less:?}"));
        }
        differences
    }
}

/// Counters that tell causes apart.
const COMPARED: [&str; 16] = [
    "ssl.handshake",
    "ssl.connection_error",
    "ssl.fail_verify_error",
    "ssl.fail_verify_san",
    "ssl.fail_verify_no_cert",
    "no_filter_chain_match",
    "upstream_cx_connect_fail",
    "upstream_rq_retry",
    "upstream_rq_retry_limit_exceeded",
    "upstream_cx_destroy_remote_with_active_rq",
    "downstream_cx_protocol_error",
    "upstream_cx_protocol_error",
    "rbac.denied",
    "rbac.allowed",
    "jwt_authn.denied",
    "jwt_authn.allowed",
];

/// Whether a counter is one that tells causes apart and is no race.
pub(crate) fn compared(name: &str) -> bool {
    COMPARED.iter().any(|suffix| name.ends_with(suffix)) && !name.ends_with(RACES_ON_TCP)
}

/// Who closes a TCP connection first is a race between the application and curl, also in the recordings.
const RACES_ON_TCP: &str = "upstream_cx_destroy_remote_with_active_rq";

/// The measured listeners had addresses of their own; in a pod it is `0.0.0.0`.
fn listener(name: &str) -> String {
    match name.strip_prefix("listener.127.").and_then(|rest| rest.split_once('_')) {
        Some((_, rest)) => format!("listener.0.0.0.0_{rest}"),
        None => name.to_owned(),
    }
}

impl Line {
    /// A TCP connection that ended without a flag.
    fn is_quiet_connection(&self) -> bool {
        self.log == "filter" && self.response_code == 0 && self.flags == "-"
    }

    /// `None` for lines the lab leaves out: the listener's second line for a connection that a filter logged.
    fn shown(&self) -> Option<Shown> {
        let flags = set(&self.flags);
        let downstream = meaningful(&self.downstream_transport_failure_reason, &flags);
        if self.log == "listener" && !flags.contains("NR") && downstream.is_empty() {
            return None;
        }
        // An HTTP/2 caller that leaves with its answer, in a race with the end of the stream.
        if self.response_code == 200 && (flags.contains("DC") || flags.contains("DR")) {
            return None;
        }
        Some((
            self.log.clone(),
            self.response_code,
            flags,
            self.connection_termination_details.clone().unwrap_or_else(|| self.details.clone()),
            self.upstream_transport_failure_reason.clone(),
            downstream,
            self.attempt_count,
        ))
    }
}

pub(crate) fn shown(entry: &AccessLogEntry) -> Shown {
    let entry = serde_json::to_value(entry).expect("an entry");
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let flags = set(&text("response_flags"));
    let downstream = meaningful(&text("downstream_transport_failure_reason"), &flags);
    (
        text("log"),
        u16::try_from(entry["response_code"].as_u64().expect("a code")).expect("a code"),
        flags,
        entry["connection_termination_details"].as_str().map_or_else(|| text("response_code_details"), str::to_owned),
        text("upstream_transport_failure_reason"),
        downstream,
        u32::try_from(entry["attempt_count"].as_u64().expect("a count")).expect("a count"),
    )
}

/// The inspector's text says something on refused connections only; a caller's late reset is a race.
fn meaningful(reason: &str, flags: &BTreeSet<String>) -> String {
    let inspected = reason.starts_with(INSPECTED) && !flags.contains("NR");
    if inspected || reason.contains("Connection_reset_by_peer") { String::new() } else { reason.to_owned() }
}

fn set(flags: &str) -> BTreeSet<String> {
    flags.split(',').map(str::to_owned).collect()
}
