//! Where a client's proxy sends a connection: its outbound listeners and routes for one port.
//!
//! Istio: `pilot/pkg/networking/core/listener.go:buildSidecarOutboundListeners,buildSidecarOutboundListener`,
//! `httproute.go:BuildSidecarOutboundVirtualHosts`. Two services can meet on one listener, so a call may leave by another's
//! cluster. No `VirtualService` is read.

use std::net::IpAddr;
use std::sync::Arc;

use crate::intent::endpoint::{Location, ServiceEndpoint};
use crate::intent::host;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Dialled, Discovery, Registry, Svc};
use crate::intent::visibility::Scope;
use crate::model::port::{PortClass, ServicePort};

mod listeners;

pub(crate) use listeners::Listeners;

/// What an application dials; things without an address yet are told apart all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Spot {
    /// An address.
    Address(IpAddr),
    /// The virtual address of a service that has none yet, by namespace and host.
    Service(String, String),
    /// A pod that has no address yet, by namespace and name.
    Pod(String, String),
    /// A name that leads outside.
    Name(String),
}

/// Where a connection goes.
#[derive(Debug, Clone)]
pub(crate) enum Routed<'s> {
    /// Through the cluster of a service port.
    Cluster(Arc<Svc<'s>>),
    /// Straight to the address, as it came.
    Passthrough,
    /// Refused: an unknown destination.
    BlackHole,
    /// Refused: not HTTP, where the proxy reads HTTP.
    NotHttp,
    /// Refused: the port has a listener for the address and no route behind it.
    NoRoute,
}

// === impl Spot ===

impl Spot {
    /// Where an endpoint is.
    pub(crate) fn of_endpoint(endpoint: &ServiceEndpoint<'_>) -> Self {
        match (&endpoint.location, endpoint.pod) {
            (Location::Address(address), _) => Self::Address(*address),
            (Location::Name(name), _) => Self::Name(name.clone()),
            (Location::Pod, Some(pod)) => Self::Pod(pod.meta.namespace.clone(), pod.meta.name.clone()),
            (Location::Pod, None) => Self::Name(endpoint.workload.clone()),
        }
    }

    /// What applications dial for a service; `None` for those without an address of their own.
    pub(crate) fn of_service(svc: &Svc<'_>) -> Option<Self> {
        match (svc.addresses.first(), &svc.discovery) {
            (Some(Dialled::Address(address)), _) => Some(Self::Address(*address)),
            (Some(Dialled::Range(range)), _) => Some(Self::Address(range.addr())),
            (None, Discovery::Listed) if svc.is_kubernetes() => {
                Some(Self::Service(svc.namespace().to_owned(), svc.host.clone()))
            }
            (None, _) => None,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Service(..) | Self::Pod(..) | Self::Name(_) => None,
        }
    }
}

/// The service that the HTTP routes of a port send a Host to.
pub(crate) fn by_host<'s>(
    scope: &Scope<'s>,
    plane: &ControlPlane<'s>,
    registry: &Registry<'s>,
    port: ServicePort,
    wanted: &str,
) -> Option<Arc<Svc<'s>>> {
    let egress = scope.egress_for_port(port)?;
    let speaks = |svc: &Arc<Svc<'s>>| svc.port(port).is_some_and(|spec| spec.protocol.class() != PortClass::Tcp);
    let exact = scope.selected(egress, plane, registry.host(wanted)).into_iter().rfind(speaks);
    exact.or_else(|| {
        registry
            .with_port(port)
            .iter()
            .filter(|svc| host::is_wildcard(&svc.host) && host::covers(&svc.host, wanted) && speaks(svc))
            .filter(|svc| !scope.selected(egress, plane, std::slice::from_ref(*svc)).is_empty())
            .max_by_key(|svc| svc.host.len())
            .cloned()
    })
}
