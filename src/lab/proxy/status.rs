//! What a proxy can tell of itself: its clusters, their hosts, its TLS contexts.

use std::collections::BTreeMap;

use crate::lab::admin::clusters::ClusterStatus;
use crate::lab::desired::TransportSocket;
use crate::lab::proxy::inbound::PASSTHROUGH;
use crate::lab::proxy::secrets::Secrets;
use crate::lab::proxy::telemetry::HostCounters;
use crate::lab::proxy::{Programmed, Proxy};
use crate::model::tls::{ClientCertificate, ServerValidation};

// === impl Programmed ===

impl Programmed {
    /// The certificates it works with.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// How many TLS contexts use the workload's certificate or the mesh's root: one a cluster, one an inbound chain.
    pub(crate) fn tls_contexts(&self) -> usize {
        let outbound = self.config.outbound.iter().filter(|port| match &port.cluster.socket {
            TransportSocket::RawBuffer => false,
            TransportSocket::Tls(tls) | TransportSocket::Matches(tls) => {
                tls.certificate == ClientCertificate::Workload || tls.validation == ServerValidation::MeshRoot
            }
        });
        outbound.count() + self.config.inbound.iter().filter(|chain| chain.terminates).count()
    }

    /// Every cluster with its hosts, nothing counted yet.
    pub(crate) fn clusters(&self) -> Vec<ClusterStatus> {
        let outbound = self.config.outbound.iter().map(|port| ClusterStatus {
            name: port.cluster.name.clone(),
            eds: !port.cluster.original_dst,
            hosts: port.cluster.endpoints.iter().map(|host| (host.address, HostCounters::default())).collect(),
        });
        let mut inbound: Vec<String> =
            self.config.inbound.iter().filter_map(|chain| chain.port).map(|port| format!("inbound|{port}||")).collect();
        inbound.dedup();
        let fixed = ["BlackHoleCluster", "PassthroughCluster", PASSTHROUGH].map(str::to_owned);
        let without_eds = |name| ClusterStatus { name, eds: false, hosts: Vec::new() };
        outbound.chain(fixed.into_iter().chain(inbound).map(without_eds)).collect()
    }
}

// === impl Proxy ===

impl Proxy {
    /// Every cluster with what was counted for its hosts; an original destination is a host once it was called.
    pub(crate) fn cluster_statuses(&self) -> Vec<ClusterStatus> {
        let counted = self.telemetry.hosts();
        let mut statuses = self.programmed().clusters();
        for status in &mut statuses {
            let mut hosts: BTreeMap<_, _> = std::mem::take(&mut status.hosts).into_iter().collect();
            let own = counted.iter().filter(|((cluster, _), _)| *cluster == status.name);
            hosts.extend(
                own.filter(|((_, host), _)| !status.eds || hosts.contains_key(host))
                    .map(|((_, host), counters)| (*host, *counters))
                    .collect::<Vec<_>>(),
            );
            status.hosts = hosts.into_iter().collect();
        }
        statuses
    }
}
