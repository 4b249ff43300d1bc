//! A proxy's access log, in Envoy's words.

use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::Serialize;

/// A line of the access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessLogEntry {
    /// When the connection or request began.
    pub start: Timestamp,
    /// Which of Envoy's logs it belongs to.
    pub log: LogKind,
    /// HTTP status; 0 on connections.
    pub response_code: u16,
    /// Response flags, none where all went well.
    #[serde(rename = "response_flags")]
    pub flags: Flags,
    /// `response_code_details`.
    #[serde(rename = "response_code_details")]
    pub details: Option<String>,
    /// `connection_termination_details`.
    #[serde(rename = "connection_termination_details", skip_serializing_if = "Option::is_none")]
    pub termination: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// HTTP path with its query.
    pub path: Option<String>,
    /// `HTTP/1.1`.
    pub protocol: Option<&'static str>,
    /// `:authority`.
    pub authority: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// `user-agent`.
    pub user_agent: Option<String>,
    /// `upstream_cluster`.
    pub upstream_cluster: Option<String>,
    /// The endpoint of the last attempt.
    pub upstream_host: Option<SocketAddr>,
    /// Attempts at an upstream.
    pub attempt_count: u32,
    /// `upstream_transport_failure_reason`.
    #[serde(rename = "upstream_transport_failure_reason")]
    pub upstream_failure: Option<String>,
    /// `downstream_transport_failure_reason`.
    #[serde(rename = "downstream_transport_failure_reason")]
    pub downstream_failure: Option<String>,
    /// `route_name`.
    pub route_name: Option<&'static str>,
    /// SNI of the caller.
    pub requested_server_name: Option<String>,
    /// URI name in the caller's certificate.
    pub downstream_peer_uri_san: Option<String>,
    /// URI name in the upstream's certificate.
    pub upstream_peer_uri_san: Option<String>,
    /// Who called, in virtual addresses.
    pub downstream_remote_address: SocketAddr,
    /// What was called, in virtual addresses.
    pub downstream_local_address: SocketAddr,
    /// Bytes from the caller (bodies for HTTP).
    pub bytes_received: u64,
    /// Bytes to the caller (bodies for HTTP).
    pub bytes_sent: u64,
    /// Milliseconds.
    pub duration_ms: u64,
    /// Milliseconds until the upstream's headers.
    pub upstream_service_time: Option<u64>,
}

/// Envoy's two places for an access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Of the HTTP connection manager or the TCP proxy.
    Filter,
    /// Of the listener: connections that never reached a filter. Istio filters it to `NR`.
    Listener,
}

/// Response flags in Envoy's short form; their order means nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

/// A response flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// `DC`.
    DownstreamConnectionTermination,
    /// `DPE`.
    DownstreamProtocolError,
    /// `NR`.
    NoRouteFound,
    /// `UC`.
    UpstreamConnectionTermination,
    /// `UF`.
    UpstreamConnectionFailure,
    /// `UH`.
    NoHealthyUpstream,
    /// `UO`.
    UpstreamOverflow,
    /// `UPE`.
    UpstreamProtocolError,
    /// `UR`.
    UpstreamRemoteReset,
    /// `URX`.
    UpstreamRetryLimitExceeded,
    /// `UT`.
    UpstreamRequestTimeout,
}

// === impl Flag ===

impl Flag {
    const ALL: [Self; 11] = [
        Self::DownstreamConnectionTermination,
        Self::DownstreamProtocolError,
        Self::NoRouteFound,
        Self::UpstreamRetryLimitExceeded,
        Self::UpstreamConnectionTermination,
        Self::UpstreamConnectionFailure,
        Self::NoHealthyUpstream,
        Self::UpstreamOverflow,
        Self::UpstreamProtocolError,
        Self::UpstreamRemoteReset,
        Self::UpstreamRequestTimeout,
    ];

    /// Envoy's short form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DownstreamConnectionTermination => "DC",
            Self::DownstreamProtocolError => "DPE",
            Self::NoRouteFound => "NR",
            Self::UpstreamConnectionTermination => "UC",
            Self::UpstreamConnectionFailure => "UF",
            Self::NoHealthyUpstream => "UH",
            Self::UpstreamOverflow => "UO",
            Self::UpstreamProtocolError => "UPE",
            Self::UpstreamRemoteReset => "UR",
            Self::UpstreamRetryLimitExceeded => "URX",
            Self::UpstreamRequestTimeout => "UT",
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

// === impl Flags ===

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// These flags.
    #[must_use]
    pub fn of(flags: &[Flag]) -> Self {
        Self(flags.iter().fold(0, |bits, flag| bits | flag.bit()))
    }

    /// Reads Envoy's list of short forms; flags that the lab never sets are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = text.split(',').filter_map(|name| Flag::ALL.into_iter().find(|flag| flag.as_str() == name));
        Self(known.fold(0, |bits, flag| bits | flag.bit()))
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// The flags that are set.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.contains(*flag))
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("-");
        }
        for (position, flag) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Flags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// === impl AccessLogEntry ===

impl AccessLogEntry {
    /// An entry for a connection or request that begins now, nothing known yet.
    #[must_use]
    pub fn begin(log: LogKind, remote: SocketAddr, local: SocketAddr) -> Self {
        Self {
            start: Timestamp::now(),
            log,
            response_code: 0,
            flags: Flags::NONE,
            details: None,
            termination: None,
            method: None,
            path: None,
            protocol: None,
            authority: None,
            request_id: None,
            user_agent: None,
            upstream_cluster: None,
            upstream_host: None,
            attempt_count: 0,
            upstream_failure: None,
            downstream_failure: None,
            route_name: None,
            requested_server_name: None,
            downstream_peer_uri_san: None,
            upstream_peer_uri_san: None,
            downstream_remote_address: remote,
            downstream_local_address: local,
            bytes_received: 0,
            bytes_sent: 0,
            duration_ms: 0,
            upstream_service_time: None,
        }
    }

    /// Whether Istio's default configuration writes it: everything but the listener's own lines, of those only `NR`.
    #[must_use]
    pub fn written_by_default(&self) -> bool {
        self.log == LogKind::Filter || self.flags.contains(Flag::NoRouteFound)
    }
}

/// Istio's default text format (`EnvoyTextLogFormat`, `pilot/pkg/model/telemetry_logging.go`).
impl fmt::Display for AccessLogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn or_dash(value: Option<&str>) -> &str {
            value.unwrap_or("-")
        }
        let start = self.start.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let failure = self.upstream_failure.as_deref();
        write!(
            f,
            "[{start}] \"{} {} {}\" {} {} {} {} \"{}\" {} {} {} {} \"-\" \"{}\" \"{}\" \"{}\" \"{}\" {} - {} {} {} {}",
            or_dash(self.method.as_deref()),
            or_dash(self.path.as_deref()),
            or_dash(self.protocol),
            self.response_code,
            self.flags,
            or_dash(self.details.as_deref()),
            or_dash(self.termination.as_deref()),
            or_dash(failure),
            self.bytes_received,
            self.bytes_sent,
            self.duration_ms,
            self.upstream_service_time.map_or_else(|| "-".to_owned(), |time| time.to_string()),
            or_dash(self.user_agent.as_deref()),
            or_dash(self.request_id.as_deref()),
            or_dash(self.authority.as_deref()),
            self.upstream_host.map_or_else(|| "-".to_owned(), |host| host.to_string()),
            or_dash(self.upstream_cluster.as_deref()),
            self.downstream_local_address,
            self.downstream_remote_address,
            or_dash(self.requested_server_name.as_deref()),
            or_dash(self.route_name),
        )
    }
}
