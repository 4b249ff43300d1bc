//! Whether a connection meets a sidecar at all.
//!
//! Istio: `tools/istio-iptables/pkg/capture/run.go`, annotations `traffic.sidecar.istio.io/*`.

use std::net::IpAddr;

use crate::intent::registry::{Dialled, Svc, SvcPort};
use crate::model::port::WorkloadPort;
use crate::model::workload::Pod;

/// Why a pod's sidecar does not see a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bypass {
    /// The pod is on the host's network, where nothing is redirected.
    HostNetwork,
    /// `sidecar.istio.io/interceptionMode: NONE`.
    InterceptionNone,
    /// The port is not captured.
    Port,
    /// The address is not captured.
    Address,
    /// The application runs as the proxy's own user, 1337.
    ProxyUser,
}

/// The user whose traffic is never redirected: the proxy's own.
const PROXY_USER: i64 = 1337;

/// Whether the application runs as the proxy's own user, so that its traffic is never redirected.
pub(crate) fn is_proxy_user(pod: &Pod) -> bool {
    pod.application_container().is_some_and(|container| container.run_as_user == Some(PROXY_USER))
}

/// Whether a connection to a port meets the pod's inbound listener.
pub(crate) fn inbound(pod: &Pod, port: WorkloadPort) -> Result<(), Bypass> {
    match (pod.host_network, pod.capture.interception_none, pod.capture.inbound(port)) {
        (true, _, _) => Err(Bypass::HostNetwork),
        (false, true, _) => Err(Bypass::InterceptionNone),
        (false, false, false) => Err(Bypass::Port),
        (false, false, true) => Ok(()),
    }
}

/// Whether a client's call of a service port leaves through its sidecar.
pub(crate) fn outbound(client: &Pod, svc: &Svc<'_>, port: &SvcPort) -> Result<(), Bypass> {
    let capture = &client.capture;
    if client.host_network {
        return Err(Bypass::HostNetwork);
    }
    if capture.interception_none {
        return Err(Bypass::InterceptionNone);
    }
    if is_proxy_user(client) {
        return Err(Bypass::ProxyUser);
    }
    if capture.exclude_outbound_ports.contains(&port.port.0) {
        return Err(Bypass::Port);
    }
    let address: Option<IpAddr> = svc.addresses.first().map(|dialled| match dialled {
        Dialled::Address(address) => *address,
        Dialled::Range(range) => range.addr(),
    });
    let captured = match address {
        Some(address) => capture.outbound(address, port.port.0),
        // An address that is not known yet is outside any list of ranges only where the list is empty.
        None => {
            capture.include_outbound_ports.contains(&port.port.0)
                || capture.include_outbound_ranges.as_ref().is_none_or(|ranges| !ranges.is_empty())
        }
    };
    if captured { Ok(()) } else { Err(Bypass::Address) }
}

// === impl Bypass ===

impl Bypass {
    /// The field of the pod that makes it so.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::HostNetwork => "spec.hostNetwork",
            Self::InterceptionNone => "metadata.annotations[sidecar.istio.io/interceptionMode]",
            Self::Port => "metadata.annotations[traffic.sidecar.istio.io/exclude*Ports]",
            Self::Address => "metadata.annotations[traffic.sidecar.istio.io/*OutboundIPRanges]",
            Self::ProxyUser => "spec.containers[].securityContext.runAsUser",
        }
    }

    /// The same in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::HostNetwork => "the pod is on the host's network, where nothing is redirected to its sidecar",
            Self::InterceptionNone => "interceptionMode NONE: nothing is redirected to the sidecar",
            Self::Port => "its annotations leave this port out of what the sidecar captures",
            Self::Address => "its annotations leave this address out of what the sidecar captures",
            Self::ProxyUser => "the application runs as user 1337, whose traffic is never redirected",
        }
    }
}
