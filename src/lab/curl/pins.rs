//! `--resolve` (`Curl_loadhostpairs`), and which names were resolved before. Both last for the whole run.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::code::{Code, Failure};
use super::operation::Family;
use super::trace::Trace;

/// Addresses given by hand, by host and port, and the names seen.
#[derive(Debug, Default)]
pub(super) struct Pins {
    given: BTreeMap<(String, u16), Vec<IpAddr>>,
    seen: Vec<(String, u16)>,
    /// `--resolve *:...` of the current transfer.
    wildcard: bool,
}

// === impl Pins ===

impl Pins {
    /// Takes in the entries of one transfer: `HOST:PORT:ADDRESS[,ADDRESS]`, or `-HOST:PORT` to forget one.
    pub(super) fn load(&mut self, entries: &[String], trace: &mut Trace) -> Result<(), Failure> {
        self.wildcard = false;
        for entry in entries {
            if let Some(removed) = entry.strip_prefix('-') {
                if let Some((host, port)) = removed.split_once(':')
                    && let Ok(port) = port.parse()
                {
                    self.given.remove(&(host.to_ascii_lowercase(), port));
                }
                continue;
            }
            let Some((host, port, addresses)) = pin(entry) else {
                let text = format!("Couldn't parse CURLOPT_RESOLVE entry '{entry}'");
                return Err(Code::SetoptOptionSyntax.saying(text));
            };
            let key = (host.to_ascii_lowercase(), port);
            if self.given.contains_key(&key) {
                trace.note(&format!("RESOLVE {host}:{port} is - old addresses discarded"));
            }
            let temporary = if entry.starts_with('+') { " (non-permanent)" } else { "" };
            let listed = entry.splitn(3, ':').nth(2).unwrap_or_default();
            trace.note(&format!("Added {host}:{port}:{listed} to DNS cache{temporary}"));
            if host == "*" {
                trace.note(&format!("RESOLVE *:{port} is wildcard, enabling wildcard checks"));
                self.wildcard = true;
            }
            self.given.insert(key, addresses);
        }
        Ok(())
    }

    /// What was given for this host and port, if it has an address of this family.
    pub(super) fn find(&self, host: &str, port: u16, family: Family) -> Option<Vec<IpAddr>> {
        let named = self.given.get(&(host.to_ascii_lowercase(), port));
        let any = self.given.get(&("*".to_owned(), port)).filter(|_| self.wildcard);
        let addresses: Vec<IpAddr> = named.or(any)?.iter().copied().filter(|address| family.takes(*address)).collect();
        (!addresses.is_empty()).then_some(addresses)
    }

    /// Whether the name was resolved before; it is from now on.
    pub(super) fn meet(&mut self, host: &str, port: u16) -> bool {
        let key = (host.to_ascii_lowercase(), port);
        let known = self.seen.contains(&key);
        if !known {
            self.seen.push(key);
        }
        known
    }
}

fn pin(entry: &str) -> Option<(&str, u16, Vec<IpAddr>)> {
    let (host, rest) = entry.strip_prefix('+').unwrap_or(entry).split_once(':')?;
    let (port, addresses) = rest.split_once(':')?;
    let address = |text: &str| match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse().ok(),
        None => text.parse().ok(),
    };
    let addresses: Option<Vec<IpAddr>> = addresses.split(',').filter(|text| !text.is_empty()).map(address).collect();
    Some((host, port.parse().ok()?, addresses.filter(|addresses| !addresses.is_empty())?))
}
