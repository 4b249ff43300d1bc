//! Connections kept between the transfers of one run, and which request each can serve.

use super::Connector;
use super::code::Failure;
use super::connect::Dial;
use super::operation::{Operation, TlsOptions};
use super::outcome::Outcome;
use super::pins::Pins;
use super::stream::Stream;
use super::trace::Trace;
use super::url::Url;

/// Idle connections, and what else transfers of one run share.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Vec<Leased>,
    /// `--resolve`.
    pub(super) pins: Pins,
    /// Connections begun.
    begun: usize,
}

/// What a connection must have in common with a request to serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    host: String,
    port: u16,
    connect_to: Option<(String, u16)>,
    tls: Option<TlsOptions>,
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Leased {
    /// Where it leads.
    pub(super) route: Route,
    /// The connection.
    pub(super) stream: Stream,
    /// It served before.
    pub(super) reused: bool,
    /// What `-v` calls it.
    pub(super) number: usize,
}

// === impl Pool ===

impl Pool {
    /// Keeps a connection, or closes it.
    pub(super) fn put_back(&mut self, leased: Leased, keep: bool, trace: &mut Trace) {
        let number = leased.number;
        if keep {
            trace.note(&format!("Connection #{number} to host {} left intact", leased.route.shown()));
            self.idle.push(Leased { reused: true, ..leased });
        } else {
            trace.note(&format!("Closing connection {number}"));
        }
    }

    /// An idle connection of this route that is still open.
    fn take(&mut self, route: &Route, trace: &mut Trace) -> Option<Leased> {
        self.idle.retain(|leased| {
            let alive = leased.stream.is_alive();
            if !alive {
                trace.note(&format!("Connection {} seems to be dead", leased.number));
                trace.note(&format!("Closing connection {}", leased.number));
            }
            alive
        });
        if self.idle.iter().any(|leased| leased.route.dialled() == route.dialled()) {
            trace.note("Found bundle for host: 0x55d85f936cb0 [serially]");
            trace.note("Can not multiplex, even if we wanted to");
        }
        let place = self.idle.iter().position(|leased| leased.route == *route)?;
        let leased = self.idle.swap_remove(place);
        let (number, (host, _)) = (leased.number, route.named());
        trace.note(&format!("Re-using existing connection #{number} with host {host}"));
        Some(leased)
    }

    /// A connection for this URL: an idle one, unless `fresh` is asked for, or a new one.
    pub(super) async fn lease<C: Connector>(
        &mut self,
        dial: &Dial<'_, C>,
        url: &Url,
        fresh: bool,
        outcome: &mut Outcome,
    ) -> Result<Leased, Failure> {
        let route = Route::of(dial.operation, url);
        if let Some((host, port)) = &route.connect_to {
            outcome.trace.note(&format!("Connecting to hostname: {host}"));
            outcome.trace.note(&format!("Connecting to port: {port}"));
        }
        if !fresh && let Some(leased) = self.take(&route, &mut outcome.trace) {
            outcome.scheme = Some(route.scheme());
            outcome.remote = Some(leased.stream.remote);
            outcome.local = Some(leased.stream.local);
            return Ok(leased);
        }
        let number = self.begun;
        self.begun += 1;
        match dial.open(&route, &mut self.pins, outcome).await {
            Ok(stream) => {
                let (ip, (_, port)) = (stream.remote.ip(), route.dialled());
                outcome.trace.note(&format!("Connected to {} ({ip}) port {port} (#{number})", route.shown()));
                Ok(Leased { route, stream, reused: false, number })
            }
            Err(failure) => {
                outcome.trace.note(&failure.message);
                outcome.trace.note(&format!("Closing connection {number}"));
                Err(failure)
            }
        }
    }
}

// === impl Route ===

impl Route {
    fn of(operation: &Operation, url: &Url) -> Self {
        let (host, port) = (url.bare_host().to_ascii_lowercase(), url.effective_port());
        let connect_to = connect_to(operation, &host, port);
        Self { host, port, connect_to, tls: url.is_https().then(|| operation.tls.clone()) }
    }

    /// The host and the port of the URL.
    pub(super) fn named(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Host and port that are really dialled.
    pub(super) fn dialled(&self) -> (&str, u16) {
        self.connect_to.as_ref().map_or((&self.host, self.port), |(host, port)| (host, *port))
    }

    /// The host as `-v` shows it; curl has none to show under `--connect-to`.
    fn shown(&self) -> &str {
        if self.connect_to.is_some() { "(nil)" } else { &self.host }
    }

    /// The scheme as `-w` spells it.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "HTTPS" } else { "HTTP" }
    }

    /// How TLS is spoken, if it is.
    pub(super) fn tls(&self) -> Option<&TlsOptions> {
        self.tls.as_ref()
    }
}

/// The first `--connect-to HOST1:PORT1:HOST2:PORT2` that speaks of this host and port; empty parts match or keep anything.
fn connect_to(operation: &Operation, host: &str, port: u16) -> Option<(String, u16)> {
    operation.connect_to.iter().find_map(|entry| {
        let parts = split_colons(entry);
        let mut parts = parts.iter().map(String::as_str);
        let (from_host, from_port) = (parts.next()?, parts.next()?);
        let (to_host, to_port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let from = from_host.is_empty() || from_host.eq_ignore_ascii_case(host);
        let at = from_port.is_empty() || from_port.parse() == Ok(port);
        let to_host = if to_host.is_empty() { host } else { to_host };
        (from && at).then(|| (to_host.to_owned(), to_port.parse().unwrap_or(port)))
    })
}

/// Parts between colons outside of brackets, which are dropped.
fn split_colons(entry: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for c in entry.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            ':' if !inside => parts.push(String::new()),
            c => {
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts
}
