//! What two readings of a proxy's counters, one before a request and one after it, tell of that request.
//!
//! Envoy's own counters, which Istio's default `stats_matcher` hides: a proxy that shows none of them tells nothing. One that
//! shows a counter which stood still tells as much as one that grew: each of these failures is counted, always
//! (measured on Envoy 1.40: in no one of the recorded failures is its counter missing).

use std::collections::BTreeMap;

use crate::envoy::stats::Stats;

/// At the client's proxy, for the cluster of a service port.
const OF_CLUSTER: [&str; 5] = [
    "ssl.connection_error",
    "ssl.fail_verify_error",
    "ssl.fail_verify_san",
    "ssl.handshake",
    "upstream_cx_connect_fail",
];
/// At the server's proxy, for its inbound listener: one number for all who call.
const OF_LISTENER: [&str; 4] =
    ["no_filter_chain_match", "ssl.fail_verify_error", "ssl.fail_verify_no_cert", "ssl.fail_verify_san"];

/// A request that is tried anew makes at most so many connections: Istio's two retries and the first.
const TRIES: u64 = 3;

/// By how much each counter grew that the proxy shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grown(BTreeMap<&'static str, u64>);

/// The counters to ask for, as a regular expression of RE2 for `/stats?filter=`; `None` where there is nothing to ask.
///
/// `hosts` are the service ports that the proxy's pod calls.
#[must_use]
pub fn filter<'h>(hosts: impl Iterator<Item = (&'h str, u16)>, serves: bool) -> Option<String> {
    let clusters: Vec<String> =
        hosts.map(|(host, port)| format!(r"{port}\|[^|]*\|{}", host.replace('.', r"\."))).collect();
    let one_of = |names: &[&str]| names.join("|").replace('.', r"\.");
    let mut parts = Vec::new();
    if !clusters.is_empty() {
        parts.push(format!(r"cluster\.outbound\|({});?\.({})", clusters.join("|"), one_of(&OF_CLUSTER)));
    }
    if serves {
        parts.push(format!(r"listener\.[^;]*_15006\.({})", one_of(&OF_LISTENER)));
    }
    (!parts.is_empty()).then(|| format!("^({})$", parts.join("|")))
}

/// Whether a counter that all callers share grew by these requests of ours and no others: it counted each of them once. Of
/// requests that Envoy tried anew it cannot be told how often, unless there is only one.
#[must_use]
pub fn explain(more: u64, retried: &[bool]) -> bool {
    match retried {
        [] => false,
        [true] => (1..=TRIES).contains(&more),
        several => !several.contains(&true) && u64::try_from(several.len()) == Ok(more),
    }
}

// === impl Grown ===

impl Grown {
    /// What grew for the clusters of a service port, all subsets together; nothing where a counter went back.
    #[must_use]
    pub fn of_cluster(before: &Stats, after: &Stats, host: &str, port: u16) -> Self {
        let name = |name: &str| {
            let (cluster, counter) = name.strip_prefix("cluster.outbound|")?.split_once(host)?;
            let (own, _) = cluster.split_once('|')?;
            let counter = counter.trim_start_matches(';').strip_prefix('.')?;
            (own.parse() == Ok(port)).then_some(())?;
            OF_CLUSTER.into_iter().find(|known| *known == counter)
        };
        Self::of(before, after, name)
    }

    /// What grew at the inbound listener, whose name has the address that it is bound to.
    #[must_use]
    pub fn of_listener(before: &Stats, after: &Stats) -> Self {
        let name = |name: &str| {
            let (_, counter) = name.strip_prefix("listener.")?.split_once("_15006.")?;
            OF_LISTENER.into_iter().find(|known| *known == counter)
        };
        Self::of(before, after, name)
    }

    fn of(before: &Stats, after: &Stats, name: impl Fn(&str) -> Option<&'static str>) -> Self {
        let mut grown = BTreeMap::new();
        for (key, later) in after.iter() {
            let Some(name) = name(key) else { continue };
            // A proxy that began anew tells nothing of the time between.
            let Some(more) = later.checked_sub(before.get(key).unwrap_or_default()) else { return Self::default() };
            *grown.entry(name).or_default() += more;
        }
        Self(grown)
    }

    /// Counters that grew, and by how much.
    pub fn grew(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, more)| (*name, *more)).filter(|(_, more)| *more > 0)
    }

    /// Counters that are shown and stood still.
    pub fn quiet(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|(_, more)| **more == 0).map(|(name, _)| *name)
    }
}
