//! What a proxy remembers: Envoy's counters, in Envoy's words, and the last lines of its access log.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use crate::lab::proxy::access_log::AccessLogEntry;

/// Entries a proxy keeps; older ones are forgotten.
const KEPT: usize = 1000;

/// Counters by Envoy's name, as `/stats` without Istio's `stats_matcher` shows them.
///
/// `cluster.outbound|8000||httpbin.foo.svc.cluster.local;.ssl.handshake`: the `;.` is Istio's delimiter
/// (`util.StatPrefixDelimiter`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counters(BTreeMap<String, u64>);

/// What is counted for one host of a cluster, in the words of `/clusters`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Connections that could not be made.
    pub cx_connect_fail: u64,
    /// Connections tried.
    pub cx_total: u64,
    /// Requests answered with 5xx, or not at all.
    pub rq_error: u64,
    /// Requests answered otherwise.
    pub rq_success: u64,
    /// Requests sent.
    pub rq_total: u64,
}

/// The hosts of clusters by cluster and address.
pub(crate) type Hosts = BTreeMap<(String, SocketAddr), HostCounters>;

/// The memory of one proxy.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    counters: Mutex<Counters>,
    hosts: Mutex<Hosts>,
    log: Mutex<VecDeque<AccessLogEntry>>,
    logged: Notify,
}

// === impl Counters ===

impl Counters {
    /// The value of a counter, 0 where nothing was counted.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The sum of all counters whose name ends like this, over clusters and listeners.
    #[must_use]
    pub fn sum(&self, suffix: &str) -> u64 {
        self.0.iter().filter(|(name, _)| name.ends_with(suffix)).map(|(_, value)| value).sum()
    }

    /// Every counter, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl FromIterator<(String, u64)> for Counters {
    fn from_iter<T: IntoIterator<Item = (String, u64)>>(counters: T) -> Self {
        Self(counters.into_iter().collect())
    }
}

// === impl HostCounters ===

impl HostCounters {
    /// All of them, by name, in Envoy's order.
    #[must_use]
    pub fn counters(&self) -> [(&'static str, u64); 6] {
        [
            ("cx_connect_fail", self.cx_connect_fail),
            ("cx_total", self.cx_total),
            ("rq_error", self.rq_error),
            ("rq_success", self.rq_success),
            ("rq_timeout", 0),
            ("rq_total", self.rq_total),
        ]
    }
}

// === impl Telemetry ===

impl Telemetry {
    pub(crate) fn count_host(&self, cluster: &str, host: SocketAddr, count: impl FnOnce(&mut HostCounters)) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        count(hosts.entry((cluster.to_owned(), host)).or_default());
    }

    pub(crate) fn hosts(&self) -> Hosts {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, name: String) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.0.entry(name).or_default() += 1;
    }

    pub(crate) fn log(&self, entry: AccessLogEntry) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT {
            log.pop_front();
        }
        log.push_back(entry);
        self.logged.notify_waiters();
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the log is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&[AccessLogEntry]) -> bool) -> Vec<AccessLogEntry> {
        loop {
            let logged = self.logged.notified();
            tokio::pin!(logged);
            // Registered before the look, so that no line falls between.
            logged.as_mut().enable();
            let log = self.access_log();
            if wanted(&log) {
                return log;
            }
            logged.await;
        }
    }

    pub(crate) fn access_log(&self) -> Vec<AccessLogEntry> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
