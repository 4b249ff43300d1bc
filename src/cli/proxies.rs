//! Which proxies are asked what they were told.

use std::time::Duration;

use clap::Args;

use crate::gather::scope::ProxyLooks;

/// Which proxies are asked.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Do not ask the proxies what they were told
    #[arg(long, help_heading = "Proxies", conflicts_with_all = ["all_pods", "max_proxies", "full_dump"])]
    no_proxy: bool,
    /// Ask every pod's proxy (default: one Ready pod for each workload, template and revision)
    #[arg(long, help_heading = "Proxies")]
    all_pods: bool,
    /// The most proxies that are asked (default: 50)
    #[arg(long, value_name = "COUNT", help_heading = "Proxies")]
    max_proxies: Option<usize>,
    /// Ask for whole dumps instead of the parts that matter: megabytes from each proxy
    #[arg(long, help_heading = "Proxies")]
    full_dump: bool,
    /// Watch the servers' traffic for so long, by their proxies' counters: 30s, 2m; after the requests of this command
    #[arg(long, value_name = "TIME", value_parser = window, help_heading = "Proxies", conflicts_with = "no_proxy")]
    traffic: Option<Duration>,
}

/// Whether to wait for the proxies.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Wait until all proxies hold what policy demands, and tell who lags: exit status 0 once they do, 1 when the time is
    /// over (default: 2m). Sends no requests
    #[arg(long, value_name = "TIME", value_parser = window, num_args = 0..=1, require_equals = true,
          default_missing_value = PATIENCE, help_heading = "Proxies",
          conflicts_with_all = ["no_proxy", "traffic", "probe", "all_pods", "full_dump", "summary", "bundle", "save", "from_dump"])]
    pub wait: Option<Duration>,
}

/// How long `--wait` waits where it does not say.
const PATIENCE: &str = "2m";
/// Nobody waits longer at a terminal.
const LONGEST: u64 = 3600;

/// `30s`, `2m`; a bare number counts seconds.
fn window(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 1..=LONGEST) => Ok(Duration::from_secs(seconds)),
        _ => Err("write seconds or minutes, up to an hour: 30s, 2m".to_owned()),
    }
}

/// Enough for every mesh that is looked at as a whole by hand, little enough for a control plane's neighbours.
const MOST: usize = 50;

// === impl ProxyArgs ===

impl ProxyArgs {
    /// What was chosen.
    #[must_use]
    pub fn looks(&self) -> ProxyLooks {
        ProxyLooks {
            all_pods: self.all_pods,
            most: if self.no_proxy { 0 } else { self.max_proxies.unwrap_or(MOST) },
            whole: self.full_dump,
            requested: self.all_pods || self.max_proxies.is_some() || self.full_dump || self.traffic.is_some(),
            traffic: self.traffic,
        }
    }
}
