//! Which elements of a dump the rules use, told by an element's text before it is parsed.
//!
//! What goes to services depends on the services that are asked about: their clusters, endpoints and listeners, the routes of
//! their ports, and the clusters of other hosts that those routes lead to, which show only once the routes were read.

use std::collections::{BTreeMap, BTreeSet};

use crate::envoy::config_dump::Section;

/// Which outbound services are of interest; inbound listeners and secrets always are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Hosts with their ports; `None` = everything.
    services: Option<BTreeMap<String, BTreeSet<u16>>>,
}

// === impl Wanted ===

impl Wanted {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { services: None }
    }

    /// What is needed for these hosts and ports.
    #[must_use]
    pub fn services<H: Into<String>>(services: impl IntoIterator<Item = (H, u16)>) -> Self {
        let mut by_host: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for (host, port) in services {
            by_host.entry(host.into()).or_default().insert(port);
        }
        Self { services: Some(by_host) }
    }

    /// The same and the clusters of these hosts.
    #[must_use]
    pub fn and(&self, hosts: BTreeSet<String>) -> Self {
        let mut wanted = self.clone();
        if let Some(services) = &mut wanted.services {
            services.extend(hosts.into_iter().map(|host| (host, BTreeSet::new())));
        }
        wanted
    }

    /// Whether everything is wanted.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.services.is_none()
    }

    /// Whether a host's clusters are wanted.
    #[must_use]
    pub fn host(&self, host: &str) -> bool {
        self.services.as_ref().is_none_or(|services| services.contains_key(host))
    }

    /// Whether an element may be of interest.
    pub(crate) fn takes(&self, section: Section, raw: &str) -> bool {
        if self.is_all() {
            return true;
        }
        match section {
            Section::StaticClusters
            | Section::ActiveClusters
            | Section::WarmingClusters
            | Section::StaticEndpoints
            | Section::DynamicEndpoints => cluster_host(raw).is_none_or(|host| self.host(host)) || rejected(raw),
            Section::DynamicRoutes => name(raw).is_none_or(|name| self.routes(name)) || rejected(raw),
            Section::DynamicListeners => {
                name(raw).is_none_or(|name| self.listener(name)) || raw.contains("INBOUND") || rejected(raw)
            }
            Section::StaticListeners | Section::StaticRoutes => false,
            Section::StaticSecrets | Section::ActiveSecrets | Section::WarmingSecrets | Section::Bootstrap => true,
        }
    }

    /// `8000`, or `httpbin.bar.svc.cluster.local:8000` on sniffed ports.
    fn routes(&self, name: &str) -> bool {
        let host = name.rsplit_once(':').map(|(host, _)| host);
        let port = name.rsplit(':').next().and_then(|port| port.parse().ok());
        // Gateways have routes of other names.
        port.is_none_or(|port| self.port(port) && host.is_none_or(|host| self.host(host)))
    }

    /// `10.96.0.7_8000`, `0.0.0.0_8000`, `virtualInbound`.
    fn listener(&self, name: &str) -> bool {
        let port = name.rsplit_once('_').and_then(|(_, port)| port.parse().ok());
        port.is_none_or(|port| self.port(port))
    }

    fn port(&self, port: u16) -> bool {
        self.services.as_ref().is_none_or(|services| services.values().any(|ports| ports.contains(&port)))
    }
}

/// Updates that were refused are told whatever they are about.
fn rejected(raw: &str) -> bool {
    raw.contains("error_state") || raw.contains("errorState")
}

/// The first name in an element: its own, which stands before everything that has names inside.
fn name(raw: &str) -> Option<&str> {
    let (_, behind) = raw.split_once("\"name\"")?;
    let value = behind.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split('"').next()
}

/// The host in `outbound|8000|v1|httpbin.bar.svc.cluster.local`; `None` for clusters that are no service's.
fn cluster_host(raw: &str) -> Option<&str> {
    let (_, name) = raw.split_once("\"outbound|")?;
    name.split('"').next()?.rsplit('|').next()
}
