//! Which cluster, by kubectl's own flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::source::cluster::ClusterRequest;

/// kubectl's flags for choosing a cluster.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// Path to the kubeconfig file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
    /// How long to wait for one answer of the API server (1s, 2m, 3h; 0 = no limit)
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Cluster")]
    request_timeout: Option<Duration>,
    /// Namespace of Istio's control plane (default: where istiod is seen, else istio-system)
    #[arg(short = 'i', long, value_name = "NAMESPACE", help_heading = "Cluster")]
    pub istio_namespace: Option<String>,
}

impl ClusterArgs {
    /// The request; the namespace is kubectl's `-n`.
    #[must_use]
    pub fn request(&self, namespace: Option<&str>) -> ClusterRequest {
        ClusterRequest {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: namespace.map(str::to_owned),
            request_timeout: self.request_timeout,
        }
    }

    /// Whether any flag that chooses a cluster was given.
    #[must_use]
    pub fn chooses(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }
}

/// A day: what `0` (no limit) comes to for a command that ends.
const NO_LIMIT: Duration = Duration::from_hours(24);

/// kubectl's durations: a number with `s`, `m` or `h`; a bare number is seconds, `0` no limit.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write it like 10s, 2m or 1h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write it like 10s, 2m or 1h".to_owned())?;
    Ok(if number == 0 { NO_LIMIT } else { Duration::from_secs(number.saturating_mul(seconds)) })
}
