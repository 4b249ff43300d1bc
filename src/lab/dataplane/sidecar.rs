//! A running sidecar: the lab's own proxy, or a real Envoy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::lab::admin;
use crate::lab::dataplane::{DataplaneError, Running, Told};
use crate::lab::desired::{PodId, ProxyConfig};
use crate::lab::envoy::{Envoy, Launch, Surroundings};
use crate::lab::network::SidecarSockets;
use crate::lab::network::listener::Listener;
use crate::lab::proxy::secrets::Secrets;
use crate::lab::proxy::telemetry::Telemetry;
use crate::lab::proxy::{Proxy, inbound, outbound};
use crate::model::identity::SpiffeId;
use crate::model::port::WorkloadPort;

/// A handle on a running sidecar; it ends with the last clone.
#[derive(Debug, Clone)]
pub(super) enum Sidecar {
    /// The lab's own proxy.
    Reference(Arc<Reference>),
    /// A process.
    Envoy(Arc<Envoy>),
}

/// The lab's own proxy with its listeners.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) proxy: Arc<Proxy>,
    inbound: Listener,
    outbound: Listener,
    admin: Listener,
}

/// What a sidecar is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a PodId,
    pub(super) identity: &'a SpiffeId,
    pub(super) config: &'a ProxyConfig,
    pub(super) around: Surroundings<'a>,
}

// === impl Sidecar ===

impl Sidecar {
    /// Starts one of the kind that the lab runs.
    pub(super) fn start(wanted: &Wanted<'_>, running: &Arc<Running>) -> Result<Self, DataplaneError> {
        match &running.envoy {
            None => Reference::start(wanted, running).map(|reference| Self::Reference(Arc::new(reference))),
            Some(program) => {
                let launch = Launch {
                    program,
                    pod: wanted.id,
                    identity: wanted.identity,
                    config: wanted.config,
                    network: &running.network,
                    authority: &running.authority,
                };
                Ok(Self::Envoy(Arc::new(Envoy::launch(&launch, wanted.around)?)))
            }
        }
    }

    /// Tells it another configuration; of a real Envoy [`Envoy::settled`] says when it is in force.
    pub(super) fn program(&self, wanted: &Wanted<'_>) -> Result<(), DataplaneError> {
        match self {
            Self::Reference(reference) => Ok(reference.proxy.program(wanted.config.clone())?),
            Self::Envoy(envoy) => envoy.program(wanted.config, wanted.around).map_err(failed(wanted.id)),
        }
    }

    /// Gives it other certificates.
    pub(super) fn replace_secrets(
        &self,
        id: &PodId,
        secrets: Secrets,
        around: Surroundings<'_>,
    ) -> Result<(), DataplaneError> {
        match self {
            Self::Reference(reference) => Ok(reference.proxy.replace_secrets(secrets)?),
            Self::Envoy(envoy) => envoy.replace_secrets(secrets, around).map_err(failed(id)),
        }
    }

    pub(super) fn identity(&self) -> &SpiffeId {
        match self {
            Self::Reference(reference) => &reference.proxy.identity,
            Self::Envoy(envoy) => &envoy.identity,
        }
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        match self {
            Self::Reference(reference) => &reference.proxy.telemetry,
            Self::Envoy(envoy) => &envoy.telemetry,
        }
    }

    /// Where it listens; `None` while an Envoy is starting.
    pub(super) fn sockets(&self) -> Option<SidecarSockets> {
        match self {
            Self::Reference(reference) => {
                let (inbound, outbound) = (reference.inbound.address, reference.outbound.address);
                Some(SidecarSockets { inbound, outbound, admin: reference.admin.address })
            }
            Self::Envoy(envoy) => envoy.sockets(),
        }
    }

    /// The process, where it is one.
    pub(super) fn envoy(&self) -> Option<Arc<Envoy>> {
        match self {
            Self::Reference(_) => None,
            Self::Envoy(envoy) => Some(Arc::clone(envoy)),
        }
    }
}

// === impl Reference ===

impl Reference {
    fn start(wanted: &Wanted<'_>, running: &Arc<Running>) -> Result<Self, DataplaneError> {
        let Wanted { id, identity, config, .. } = *wanted;
        let network = running.network.clone();
        let proxy = Arc::new(Proxy::new(id.clone(), identity.clone(), config.clone(), network, &running.authority)?);
        let of_inbound = Arc::clone(&proxy);
        let of_outbound = Arc::clone(&proxy);
        let of_admin = Arc::clone(&proxy);
        let told = Told(Arc::downgrade(running));
        Ok(Self {
            inbound: Listener::start(move |stream| inbound::accept(Arc::clone(&of_inbound), stream))
                .map_err(failed(id))?,
            outbound: Listener::start(move |stream| outbound::accept(Arc::clone(&of_outbound), stream))
                .map_err(failed(id))?,
            admin: Listener::start(move |stream| admin::serve(Arc::clone(&of_admin), told.clone(), stream))
                .map_err(failed(id))?,
            proxy,
        })
    }
}

fn failed(id: &PodId) -> impl Fn(std::io::Error) -> DataplaneError + use<'_> {
    move |source| DataplaneError::Listen { what: format!("the sidecar of pod `{id}`"), source }
}

/// Where the applications of a pod listen.
pub(super) type Applications = BTreeMap<WorkloadPort, SocketAddr>;
