//! ServiceEntries that share a host and a namespace.

use rustc_hash::FxHashMap;

use crate::intent::registry::{Source, Svc};

/// Joins ServiceEntries of one namespace and host, oldest first.
///
/// Istio: `sidecar.go:appendSidecarServices,canMergeServices`: ports add up where nothing else differs, else only the oldest is
/// seen; `serviceentry/conversion.go:mergeServicesInstancesByNamespaceHost`: endpoints add up in any case.
pub(super) fn merged(all: Vec<Svc<'_>>) -> Vec<Svc<'_>> {
    let mut kept: Vec<Svc<'_>> = Vec::with_capacity(all.len());
    let mut places: FxHashMap<(String, &str), Vec<usize>> = FxHashMap::default();
    for mut svc in all {
        let Source::Entry(entry) = svc.source else {
            kept.push(svc);
            continue;
        };
        let place = places.entry((svc.host.clone(), svc.namespace())).or_default();
        let first = place.first().copied();
        for index in place.iter() {
            if let Some(other) = kept.get_mut(*index) {
                other.entries.push(entry);
                // Istio: `push_context.go:addServiceAccounts` keeps those of the youngest.
                other.subject_alt_names.clone_from(&svc.subject_alt_names);
            }
        }
        if let Some(older) = first.and_then(|index| kept.get_mut(index)) {
            svc.entries.clone_from(&older.entries);
            if older.takes(&svc) {
                older.take(svc);
                continue;
            }
        }
        place.push(kept.len());
        kept.push(svc);
    }
    kept
}

// === impl Svc, joined ===

impl Svc<'_> {
    fn takes(&self, younger: &Self) -> bool {
        match (self.source, younger.source) {
            (Source::Entry(own), Source::Entry(other)) => {
                self.discovery == younger.discovery
                    && own.meta.labels == other.meta.labels
                    && own.workload_selector == other.workload_selector
                    && own.export_to == other.export_to
            }
            (Source::Kubernetes(_), _) | (_, Source::Kubernetes(_)) => false,
        }
    }

    fn take(&mut self, younger: Self) {
        for port in younger.ports {
            if self.port(port.port).is_none() {
                self.ports.push(port);
            }
        }
        for address in younger.addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }
}
