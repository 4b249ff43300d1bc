//! Waiting for a real Envoy: by its admin interface and by what it says it has taken, never by the clock alone.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::lab::envoy::admin::{AdminAnswer, EnvoyAdmin};
use crate::lab::envoy::{Entrances, Envoy, EnvoyError, forward};
use crate::lab::network::SidecarSockets;

/// From start to ready on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at what only Envoy knows.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// The server's state as it is. The gauge `server.state` is written with the statistics only: before the first time it
/// is 0, which is LIVE.
const STATE: &str = "/ready";
/// Gauges that are 0 when nothing is under way; listeners of a server that is not LIVE are not counted.
const WARMING: &str = "/stats?filter=%5E(cluster_manager.warming_clusters%7Clistener_manager.total_listeners_warming)$";

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
        let Ok(state) = admin.get(STATE).await else { return false };
        let Ok(warming) = admin.get(WARMING).await else { return false };
        quiet(&state, &warming)
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

/// Envoy: `handlerReady` in `source/server/admin/server_info_handler.cc` answers 200 `LIVE` when its sockets listen.
fn quiet(state: &AdminAnswer, warming: &AdminAnswer) -> bool {
    let warming_text = String::from_utf8_lossy(&warming.body);
    let nothing = warming_text.lines().count() == 2 && warming_text.lines().all(|line| line.ends_with(": 0"));
    state.status == 200 && warming.status == 200 && nothing
}

#[cfg(test)]
mod tests {
    use super::{AdminAnswer, quiet};

    fn answer(status: u16, body: &str) -> AdminAnswer {
        AdminAnswer { status, content_type: "text/plain".to_owned(), body: body.to_owned().into() }
    }

    /// Envoy 1.36.2 and 1.40.0, asked before their listeners came: every gauge is 0, connections are refused.
    #[test]
    fn a_server_that_initialises_is_not_ready_whatever_its_gauges_say() {
        let gauges = "cluster_manager.warming_clusters: 0\nlistener_manager.total_listeners_warming: 0\n";
        assert!(!quiet(&answer(503, "INITIALIZING\n"), &answer(200, gauges)));
        assert!(quiet(&answer(200, "LIVE\n"), &answer(200, gauges)));
        let warming = gauges.replace("listeners_warming: 0", "listeners_warming: 1");
        assert!(!quiet(&answer(200, "LIVE\n"), &answer(200, &warming)));
        assert!(!quiet(&answer(200, "LIVE\n"), &answer(200, "")));
    }
}
