//! Waiting until the proxies hold what was applied, by reading what they hold.
//!
//! A ServiceEntry with a new address is applied last: istiod pushes what it knew by then in one go, so a proxy that has the
//! listener for that address has the policies too. Where a Sidecar hides it from a proxy, what that proxy holds must have come to rest.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};

use crate::kubectl::{apply, printed};
use crate::scenario::row::Name;

/// Longest time that a push may take; usually it is a quarter of a second.
const PATIENCE: Duration = Duration::from_mins(1);
/// Looks at a proxy that must show the same, where the mark is hidden from it.
const AT_REST: usize = 4;

/// Asks until the listener of the mark answers; one that warms is not yet the one that does.
const AWAIT: &str = r#"
listeners() { curl -gsf "http://127.0.0.1:15000/config_dump?resource=dynamic_listeners$1"; }
until listeners "&name_regex=^$MARK\$" | grep -q '"active_state"' && ! listeners '' | grep -q '"warming_state"'; do sleep 0.05; done
"#;

/// The mark of a push.
pub(crate) struct Mark {
    address: String,
}

// === impl Mark ===

impl Mark {
    /// Applies a mark that no proxy has seen.
    pub(crate) fn apply() -> Result<Self> {
        // One a second at most: those of a run before are behind.
        static NEXT: OnceLock<AtomicU64> = OnceLock::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let number = NEXT.get_or_init(|| AtomicU64::new(now)).fetch_add(1, Ordering::Relaxed);
        let address = format!("240.{}.{}.{}", number / 62_500 % 250, number / 250 % 250, number % 250 + 1);
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: mark, namespace: istio-system}}\n\
             spec:\n  hosts: [mark.testbed.invalid]\n  addresses: [{address}]\n  location: MESH_EXTERNAL\n  resolution: NONE\n  \
             ports: [{{number: 9, name: tcp, protocol: TCP}}]\n"
        );
        if let Some(refused) = apply(&entry)? {
            bail!("the mark of a push was refused: {refused}");
        }
        Ok(Self { address })
    }

    /// Waits until every proxy holds it; `hidden` are the namespaces where a Sidecar may hide it.
    pub(crate) fn await_everywhere(&self, proxies: &[Name], hidden: &[String]) -> Result<()> {
        std::thread::scope(|scope| {
            let waits = proxies.iter().map(|proxy| {
                let is_hidden =
                    hidden.iter().any(|namespace| [&proxy.namespace, "istio-system"].contains(&namespace.as_str()));
                scope.spawn(move || if is_hidden { at_rest(proxy) } else { self.await_in(proxy) })
            });
            for wait in waits.collect::<Vec<_>>() {
                wait.join().ok().context("a wait panicked")??;
            }
            Ok(())
        })
    }

    /// The proxy is asked in its own container: a process of kubectl for each look would cost more than what it waits for.
    fn await_in(&self, proxy: &Name) -> Result<()> {
        let script = format!("MARK='{}_9'\n{AWAIT}", self.address.replace('.', "[.]"));
        let seconds = PATIENCE.as_secs().to_string();
        let deployment = format!("deploy/{}", proxy.name);
        let within = ["timeout", &seconds, "sh", "-c", &script];
        let exec = ["exec", "-n", &proxy.namespace, &deployment, "-c", "istio-proxy", "--"];
        printed(&[exec.as_slice(), &within].concat())
            .map(|_| ())
            .with_context(|| format!("{proxy} was not pushed to within {PATIENCE:?}"))
    }
}

/// Waits until several looks at a proxy show the same.
fn at_rest(proxy: &Name) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let (mut last, mut same) = (String::new(), 0);
    while same < AT_REST {
        ensure!(Instant::now() < until, "{proxy} changes without end");
        let now = admin(proxy, "config_dump?resource=dynamic_listeners")?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(())
}

/// What the admin interface of a proxy answers.
pub(crate) fn admin(proxy: &Name, path: &str) -> Result<String> {
    let deployment = format!("deploy/{}", proxy.name);
    let exec = ["exec", "-n", &proxy.namespace, &deployment, "-c", "istio-proxy", "--"];
    printed(&[exec.as_slice(), &["pilot-agent", "request", "GET", path]].concat())
}
