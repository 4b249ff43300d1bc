//! From a route to an open connection: names, `--resolve`, addresses, TCP, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::clock::Clock;
use super::code::{Code, Failure};
use super::operation::Operation;
use super::outcome::Outcome;
use super::pins::Pins;
use super::pool::Route;
use super::stream::{Socket, Stream, system_text};
use super::tls::{self, Handshake};
use super::wire::Wire;
use super::{Connector, Disk};

/// What connecting needs.
#[derive(Debug)]
pub(super) struct Dial<'a, C> {
    /// The pod's network.
    pub(super) connector: &'a C,
    /// The settings.
    pub(super) operation: &'a Operation,
    /// The limits.
    pub(super) clock: &'a Clock,
}

/// `TIMEOUT_LARGE`: a time shorter than this is not divided among addresses.
const WORTH_SHARING: Duration = Duration::from_millis(600);

/// A TCP connection and its two ends.
type Connected = (TcpStream, SocketAddr, SocketAddr);

// === impl Dial ===

impl<C: Connector> Dial<'_, C> {
    /// Opens a connection.
    pub(super) async fn open(&self, route: &Route, pins: &mut Pins, outcome: &mut Outcome) -> Result<Stream, Failure> {
        let addresses = self.resolve(route, pins, outcome).await?;
        outcome.times.name_lookup = self.clock.elapsed();
        let (stream, remote, local) = self.connect(route, &addresses, outcome).await?;
        outcome.connects += 1;
        outcome.scheme = Some(route.scheme());
        outcome.remote = Some(remote);
        let near = self.connector.local_address().map(|address| SocketAddr::new(address, local.port()));
        let local = near.unwrap_or(local);
        outcome.local = Some(local);
        outcome.times.connect = self.clock.elapsed();
        let wire = Wire::new(stream);
        let socket = match route.tls() {
            None => Socket::Plain(wire),
            Some(options) => {
                let (host, port) = route.named();
                let result = &mut outcome.verify_result;
                let handshake = Handshake::prepare(options, host, port, &Disk(self.connector), result)?;
                let shaken = timeout_at(self.clock.connect_deadline(), handshake.run(wire, result)).await;
                let stream = shaken.map_err(|_| self.handshake_too_slow())??;
                tls::describe(&stream, &mut outcome.trace);
                outcome.times.app_connect = self.clock.elapsed();
                Socket::Tls(Box::new(stream))
            }
        };
        Ok(Stream::new(socket, remote, local))
    }

    async fn resolve(&self, route: &Route, pins: &mut Pins, outcome: &mut Outcome) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = route.dialled();
        let family = self.operation.family;
        let given = pins.find(host, port, family);
        if given.is_some() || pins.meet(host, port) {
            outcome.trace.note(&format!("Hostname {host} was found in DNS cache"));
        }
        let addresses = match (host.parse::<IpAddr>(), given) {
            (_, Some(addresses)) => addresses,
            (Ok(address), None) if family.takes(address) => vec![address],
            (Ok(_), None) => return Err(Code::CouldntConnect.plain()),
            (Err(_), None) => {
                timeout_at(self.clock.connect_deadline(), self.connector.resolve(host)).await.map_err(|_| {
                    let ms = self.clock.step_elapsed().as_millis();
                    Code::OperationTimedout.saying(format!("Resolving timed out after {ms} milliseconds"))
                })?
            }
        };
        let addresses = addresses.into_iter().filter(|address| family.takes(*address));
        let addresses: Vec<SocketAddr> = addresses.map(|address| SocketAddr::new(address, port)).collect();
        if addresses.is_empty() {
            return Err(Code::CouldntResolveHost.saying(format!("Could not resolve host: {host}")));
        }
        Ok(addresses)
    }

    /// Tries the addresses one after another.
    async fn connect(
        &self,
        route: &Route,
        addresses: &[SocketAddr],
        outcome: &mut Outcome,
    ) -> Result<Connected, Failure> {
        let (host, port) = route.dialled();
        let mut last = None;
        for (place, address) in addresses.iter().enumerate() {
            outcome.trace.note(&format!("  Trying {address}..."));
            let limit = self.share(place + 1 == addresses.len());
            match timeout(limit, self.connector.connect(*address)).await {
                Ok(connected) => match connected.and_then(usable) {
                    Ok((stream, local)) => return Ok((stream, *address, local)),
                    Err(error) => {
                        let (ip, reason) = (address.ip(), system_text(&error));
                        outcome.trace.note(&format!("connect to {ip} port {port} failed: {reason}"));
                        last = Some(error);
                    }
                },
                Err(_) if self.clock.ends_before_connecting_does() && self.clock.is_over() => break,
                Err(_) => {
                    let (family, ms) = (if address.is_ipv4() { "ipv4" } else { "ipv6" }, limit.as_millis());
                    outcome.trace.note(&format!("{family} connect timeout after {ms}ms, move on!"));
                }
            }
        }
        if self.clock.connecting_is_over() {
            return Err(self.connecting_too_slow(host, port));
        }
        let code = match last {
            Some(error) if error.kind() == io::ErrorKind::TimedOut => Code::OperationTimedout,
            Some(_) | None => Code::CouldntConnect,
        };
        let (ms, reason) = (self.clock.step_elapsed().as_millis(), Code::CouldntConnect.text());
        Err(code.saying(format!("Failed to connect to {host} port {port} after {ms} ms: {reason}")))
    }

    /// How long one address may take: half of what is left while there are more to try (`baller_next_addr`).
    fn share(&self, last: bool) -> Duration {
        let left = self.clock.connect_deadline().saturating_duration_since(Instant::now());
        if last || left <= WORTH_SHARING { left } else { left / 2 }
    }

    fn connecting_too_slow(&self, host: &str, port: u16) -> Failure {
        let ms = self.clock.step_elapsed().as_millis();
        Code::OperationTimedout.saying(if self.clock.ends_before_connecting_does() {
            format!("Connection timed out after {ms} milliseconds")
        } else {
            format!("Failed to connect to {host} port {port} after {ms} ms: Timeout was reached")
        })
    }

    fn handshake_too_slow(&self) -> Failure {
        let ms = self.clock.step_elapsed().as_millis();
        Code::OperationTimedout.saying(if self.clock.ends_before_connecting_does() {
            format!("Connection timed out after {ms} milliseconds")
        } else {
            "SSL connection timeout".to_owned()
        })
    }
}

/// The connection, ready to use, and its near end.
fn usable(stream: TcpStream) -> io::Result<(TcpStream, SocketAddr)> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    Ok((stream, local))
}
