//! What real traffic did at a server's proxy: its counters, read twice.
//!
//! Two kinds of counters tell about TLS. Those of Envoy itself (`listener.*_15006.*`, `http.inbound_*`) are proven on real
//! Envoy, recorded and live; they are there only where Istio's `stats_matcher` lets them through, which by default it does
//! not. Those of Istio's own proxy (`istio_requests_total`, `istio_tcp_connections_opened_total`) name both ends and
//! `connection_security_policy`; upstream Envoy has none of them, so they are proven against what the tests of Istio's own
//! proxy demand of it (istio/proxy, `testdata/metric`), written as Envoy writes counters, and never against a live one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envoy::prometheus;
use crate::envoy::refusal::Refusal;
use crate::envoy::stats::Stats;

/// The names of Envoy's counters that are read: a regular expression of RE2, for `/stats?filter=`.
pub const ENVOY: &str = r"^(listener\.[^;]*_15006\.(downstream_cx_total|no_filter_chain_match|ssl\.(handshake|connection_error|fail_verify_error|fail_verify_no_cert|fail_verify_san))|http\.inbound_[^;]*;?\.downstream_(cx_total|cx_ssl_total|rq_total))$";
/// The same for Istio's own.
pub const ISTIO: &str = "istio_requests_total|istio_tcp_connections_opened_total";

/// One reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    listener: Option<Listener>,
    ports: BTreeMap<u16, Port>,
    calls: BTreeMap<Call, Calls>,
}

/// What grew between two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// All inbound ports together; absent where the proxy keeps these counters to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Listener>,
    /// Ports with an HTTP chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortTraffic>,
    /// By caller and service, where Istio's own proxy counts them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallTraffic>,
}

/// The inbound listener's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Connections that a filter chain took.
    pub connections: u64,
    /// TLS that ended at the proxy: mutual TLS where Istio wrote the chain.
    pub handshakes: u64,
    /// TLS that was to end there and failed.
    pub failed_handshakes: u64,
    /// Connections that no filter chain took: closed.
    pub unmatched: u64,
    /// Callers without a client certificate, of the failed ones.
    pub no_certificate: u64,
    /// Callers whose certificate was not accepted, of the failed ones.
    pub certificate_rejected: u64,
}

/// The counters of a port's HTTP chains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Connections.
    pub connections: u64,
    /// Those over TLS.
    pub tls: u64,
    /// Requests.
    pub requests: u64,
}

/// A port and what grew there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortTraffic {
    /// The port of the workload.
    pub port: u16,
    /// What grew.
    #[serde(flatten)]
    pub grew: Port,
}

/// Who called what, by the server's proxy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The caller's workload; `unknown` where it has no proxy, or one that tells nothing of itself.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// The identity in its certificate; `unknown` without one.
    pub principal: String,
    /// The service's host.
    pub service: String,
}

/// Requests, or connections of TCP ports, by `connection_security_policy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// `mutual_tls`.
    pub mutual_tls: u64,
    /// `none`.
    pub plaintext: u64,
}

/// A call and what grew of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTraffic {
    /// Who called what.
    #[serde(flatten)]
    pub call: Call,
    /// What grew.
    #[serde(flatten)]
    pub grew: Calls,
}

/// A counter went back: the proxy began anew between the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy was started again between the readings")]
pub struct Restarted;

// === impl Counters ===

impl Counters {
    /// Reads the answers to `/stats` and `/stats/prometheus`; either may hold nothing.
    ///
    /// # Errors
    /// A [`Refusal`] where an answer is something else than counters.
    pub fn read(stats: &[u8], prometheus: &[u8]) -> Result<Self, Refusal> {
        let mut counters = Self::default();
        match Stats::parse(stats) {
            Ok(stats) => stats.iter().for_each(|(name, value)| counters.envoy(name, value)),
            Err(Refusal::Empty) => {}
            Err(refusal) => return Err(refusal),
        }
        let text = String::from_utf8_lossy(prometheus);
        let mut any = text.trim().is_empty();
        for sample in prometheus::samples(&text) {
            any = true;
            counters.istio(&sample);
        }
        if any {
            Ok(counters)
        } else {
            Err(Refusal::of_text(prometheus)
                .unwrap_or(Refusal::OtherJson { expected: "counters for Prometheus", found: "an object".to_owned() }))
        }
    }

    /// Envoy: `source/common/listener_manager/active_stream_listener_base.cc` counts a connection once a chain took it, and
    /// `no_filter_chain_match` otherwise; the names are those of istiod's listeners since 1.10.
    fn envoy(&mut self, name: &str, value: u64) {
        if let Some(counter) = name.strip_prefix("listener.").and_then(|rest| rest.split_once("_15006.")).map(|n| n.1) {
            let listener = self.listener.get_or_insert_default();
            let slot = match counter {
                "downstream_cx_total" => &mut listener.connections,
                "ssl.handshake" => &mut listener.handshakes,
                "ssl.connection_error" => &mut listener.failed_handshakes,
                "no_filter_chain_match" => &mut listener.unmatched,
                "ssl.fail_verify_no_cert" => &mut listener.no_certificate,
                "ssl.fail_verify_error" | "ssl.fail_verify_san" => &mut listener.certificate_rejected,
                _ => return,
            };
            *slot = slot.saturating_add(value);
            return;
        }
        let Some((place, counter)) =
            name.strip_prefix("http.inbound_").and_then(|rest| rest.split_once(".downstream_"))
        else {
            return;
        };
        let port = place.trim_end_matches(';').rsplit_once('_').and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else { return };
        let port = self.ports.entry(port).or_default();
        let slot = match counter {
            "cx_total" => &mut port.connections,
            "cx_ssl_total" => &mut port.tls,
            "rq_total" => &mut port.requests,
            _ => return,
        };
        *slot = slot.saturating_add(value);
    }

    /// What the server's side reports; a client's own proxy always says `unknown` of the connection's security.
    fn istio(&mut self, sample: &prometheus::Sample<'_>) {
        let ours = matches!(sample.name, "istio_requests_total" | "istio_tcp_connections_opened_total");
        if !ours || sample.label("reporter") != Some("destination") {
            return;
        }
        let label = |name: &str| sample.label(name).unwrap_or("unknown").to_owned();
        let call = Call {
            workload: label("source_workload"),
            namespace: label("source_workload_namespace"),
            principal: label("source_principal"),
            service: label("destination_service"),
        };
        let calls = self.calls.entry(call).or_default();
        match sample.label("connection_security_policy") {
            Some("mutual_tls") => calls.mutual_tls = calls.mutual_tls.saturating_add(sample.value),
            Some("none") => calls.plaintext = calls.plaintext.saturating_add(sample.value),
            _ => {}
        }
    }

    /// Whether there is nothing to compare: the proxy shows none of these counters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listener.is_none() && self.ports.is_empty() && self.calls.is_empty()
    }

    /// What grew since an earlier reading; a counter that was not there counted nothing yet.
    ///
    /// # Errors
    /// [`Restarted`] where one went back.
    pub fn since(&self, earlier: &Self) -> Result<Traffic, Restarted> {
        let listener = match (self.listener, earlier.listener) {
            (Some(later), earlier) => Some(later.since(earlier.unwrap_or_default())?),
            (None, Some(_)) => return Err(Restarted),
            (None, None) => None,
        };
        let ports = self.ports.iter().map(|(port, later)| {
            let earlier = earlier.ports.get(port).copied().unwrap_or_default();
            Ok(PortTraffic { port: *port, grew: later.since(earlier)? })
        });
        let calls = self.calls.iter().map(|(call, later)| {
            let earlier = earlier.calls.get(call).copied().unwrap_or_default();
            Ok(CallTraffic { call: call.clone(), grew: later.since(earlier)? })
        });
        Ok(Traffic {
            listener,
            ports: ports.collect::<Result<_, Restarted>>()?,
            calls: calls.collect::<Result<_, Restarted>>()?,
        })
    }
}

fn grew(later: u64, earlier: u64) -> Result<u64, Restarted> {
    later.checked_sub(earlier).ok_or(Restarted)
}

// === impl Listener, Port, Calls ===

impl Listener {
    fn since(self, earlier: Self) -> Result<Self, Restarted> {
        Ok(Self {
            connections: grew(self.connections, earlier.connections)?,
            handshakes: grew(self.handshakes, earlier.handshakes)?,
            failed_handshakes: grew(self.failed_handshakes, earlier.failed_handshakes)?,
            unmatched: grew(self.unmatched, earlier.unmatched)?,
            no_certificate: grew(self.no_certificate, earlier.no_certificate)?,
            certificate_rejected: grew(self.certificate_rejected, earlier.certificate_rejected)?,
        })
    }

    /// Connections that went on as they came: plaintext, or TLS that the application ends.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.connections.saturating_sub(self.handshakes).saturating_sub(self.failed_handshakes)
    }
}

impl Port {
    fn since(self, earlier: Self) -> Result<Self, Restarted> {
        Ok(Self {
            connections: grew(self.connections, earlier.connections)?,
            tls: grew(self.tls, earlier.tls)?,
            requests: grew(self.requests, earlier.requests)?,
        })
    }

    /// Connections in plaintext.
    #[must_use]
    pub fn plaintext(&self) -> u64 {
        self.connections.saturating_sub(self.tls)
    }
}

impl Calls {
    fn since(self, earlier: Self) -> Result<Self, Restarted> {
        Ok(Self {
            mutual_tls: grew(self.mutual_tls, earlier.mutual_tls)?,
            plaintext: grew(self.plaintext, earlier.plaintext)?,
        })
    }
}
