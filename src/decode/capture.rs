//! Which traffic of a pod its sidecar captures, from the annotations that say so.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::meta::Meta;
use crate::model::port::WorkloadPort;
use crate::model::workload::Capture;

/// Reads the annotations `traffic.sidecar.istio.io/*` and `sidecar.istio.io/interceptionMode`.
///
/// Istio: `tools/istio-iptables/pkg/capture/run.go`. `*` includes everything; the empty string includes nothing.
pub(super) fn capture(meta: &Meta) -> Capture {
    // Nearly every pod.
    if meta.annotations.is_empty() {
        return Capture::default();
    }
    let traffic = |name: &str| meta.annotation(&format!("traffic.sidecar.istio.io/{name}"));
    let ports = |name| traffic(name).map(ports).unwrap_or_default();
    Capture {
        interception_none: meta.annotation("sidecar.istio.io/interceptionMode") == Some("NONE"),
        include_inbound: traffic("includeInboundPorts")
            .filter(|list| list.trim() != "*")
            .map(|list| self::ports(list).into_iter().map(WorkloadPort).collect()),
        exclude_inbound: ports("excludeInboundPorts").into_iter().map(WorkloadPort).collect(),
        include_outbound_ports: ports("includeOutboundPorts"),
        exclude_outbound_ports: ports("excludeOutboundPorts"),
        include_outbound_ranges: traffic("includeOutboundIPRanges").filter(|list| list.trim() != "*").map(ranges),
        exclude_outbound_ranges: traffic("excludeOutboundIPRanges").map(ranges).unwrap_or_default(),
    }
}

fn ports(list: &str) -> BTreeSet<u16> {
    list.split(',').filter_map(|port| port.trim().parse().ok()).collect()
}

fn ranges(list: &str) -> Vec<IpNet> {
    let range = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    list.split(',').filter_map(|text| range(text.trim())).collect()
}
