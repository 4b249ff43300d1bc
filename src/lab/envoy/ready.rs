//! Waiting for a real Envoy: by its admin interface and by what it says it has taken, never by the clock alone.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::lab::envoy::admin::EnvoyAdmin;
use crate::lab::envoy::{Entrances, Envoy, EnvoyError, forward};
use crate::lab::network::SidecarSockets;

/// From start to ready on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at what only Envoy knows.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// Gauges that are 0 when nothing is under way, and a ready server.
const LOOK: &str =
    "/stats?filter=%5E(cluster_manager.warming_clusters%7Clistener_manager.total_listeners_warming%7Cserver.state)$";

impl Envoy {
    /// Waits until the newest configuration is in force.
    pub(crate) async fn settled(&self) -> Result<(), EnvoyError> {
        let until = Instant::now() + PATIENCE;
        let admin = self.admin_address(until).await?;
        let admin = EnvoyAdmin::new(admin, std::sync::Arc::clone(&self.back));
        let taken = tokio::time::timeout_at(until, self.taken()).await;
        taken.map_err(|_| self.not_ready("did not take its configuration"))??;
        loop {
            if self.is_quiet(&admin).await {
                break;
            }
            self.still_running(until, "is not ready")?;
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        if self.entrances.get().is_none() {
            let entrances = self.find_entrances(&admin).await;
            let entrances = entrances.ok_or_else(|| self.not_ready("has no listeners"))?;
            // Whoever was first found the same.
            let _ = self.entrances.set(entrances);
        }
        Ok(())
    }

    /// Until everything is taken, or the process ends.
    async fn taken(&self) -> Result<(), EnvoyError> {
        let ended = async {
            loop {
                tokio::time::sleep(BETWEEN_LOOKS * 10).await;
                if let Some(status) = self.ended() {
                    return status;
                }
            }
        };
        tokio::select! {
            () = self.discovery.taken() => Ok(()),
            status = ended => Err(self.not_ready(&format!("ended ({status})"))),
        }
    }

    /// Envoy writes its address into a file when it has one.
    async fn admin_address(&self, until: Instant) -> Result<SocketAddr, EnvoyError> {
        let file = self.directory.file("admin");
        loop {
            let written = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(address) = written.trim().parse() {
                return Ok(address);
            }
            self.still_running(until, "did not open its admin interface")?;
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn is_quiet(&self, admin: &EnvoyAdmin) -> bool {
        let Ok(answer) = admin.get(LOOK).await else { return false };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        // `server.state` is 0 for LIVE.
        answer.status == 200 && text.lines().count() == 3 && text.lines().all(|line| line.ends_with(": 0"))
    }

    async fn find_entrances(&self, admin: &EnvoyAdmin) -> Option<Entrances> {
        let answer = admin.get("/listeners?format=json").await.ok()?;
        let listeners: Value = serde_json::from_slice(&answer.body).ok()?;
        let statuses = listeners.get("listener_statuses")?.as_array()?;
        let of = |name: &str| -> Option<SocketAddr> {
            let found = statuses.iter().find(|status| status.get("name").and_then(Value::as_str) == Some(name))?;
            let socket = found.pointer("/local_address/socket_address")?;
            let port = u16::try_from(socket.get("port_value")?.as_u64()?).ok()?;
            Some(SocketAddr::new(socket.get("address")?.as_str()?.parse().ok()?, port))
        };
        let forward = forward::start(admin.address(), &self.back).ok()?;
        let (inbound, outbound) = (of("virtualInbound")?, of("virtualOutbound")?);
        let sockets = SidecarSockets { inbound, outbound, admin: forward.address };
        Some(Entrances { sockets, admin: admin.address(), _forward: forward })
    }

    fn still_running(&self, until: Instant, what: &str) -> Result<(), EnvoyError> {
        match self.ended() {
            Some(status) => Err(self.not_ready(&format!("ended ({status})"))),
            None if Instant::now() >= until => Err(self.not_ready(what)),
            None => Ok(()),
        }
    }

    fn ended(&self) -> Option<String> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).ended()
    }

    fn not_ready(&self, what: &str) -> EnvoyError {
        let kept = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let last_words = if kept.is_empty() { String::new() } else { format!("; it said: {}", kept.join(" | ")) };
        EnvoyError::NotReady { pod: self.pod.clone(), what: what.to_owned(), last_words }
    }
}
