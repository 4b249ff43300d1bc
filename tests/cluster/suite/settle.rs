//! Waiting until the proxies hold what was applied, by reading what they hold.
//!
//! A ServiceEntry with a new address is applied last: istiod pushes what it knew by then in one go, so a proxy that has the
//! listener for that address has the policies too. Where a Sidecar hides it from a proxy, what that proxy holds must have come to rest.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::kubectl::{apply, printed};

/// Longest time that a push may take; usually it is a quarter of a second.
const PATIENCE: Duration = Duration::from_mins(1);
/// Looks at a proxy that must show the same, where the mark is hidden from it.
const AT_REST: usize = 4;

/// A proxy of the test-bed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Its namespace.
    pub(crate) namespace: &'static str,
    /// Its Deployment.
    pub(crate) workload: &'static str,
}

/// The sidecars whose configuration decides the pairs that are judged.
pub(crate) const PROXIES: [Proxy; 4] = [
    Proxy { namespace: "foo", workload: "sleep" },
    Proxy { namespace: "foo", workload: "httpbin" },
    Proxy { namespace: "bar", workload: "sleep" },
    Proxy { namespace: "bar", workload: "httpbin" },
];

/// The mark of a push.
pub(crate) struct Mark {
    address: String,
}

// === impl Mark ===

impl Mark {
    /// Applies the mark of a number.
    pub(crate) fn apply(number: usize) -> Result<Self> {
        let address = format!("240.250.{}.{}", number / 250, number % 250 + 1);
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
    pub(crate) fn await_everywhere(&self, hidden: &[String]) -> Result<()> {
        std::thread::scope(|scope| {
            let waits = PROXIES.map(|proxy| {
                let is_hidden =
                    hidden.iter().any(|namespace| [proxy.namespace, "istio-system"].contains(&namespace.as_str()));
                scope.spawn(move || if is_hidden { at_rest(proxy) } else { self.await_in(proxy) })
            });
            for wait in waits {
                wait.join().ok().context("a wait panicked")??;
            }
            Ok(())
        })
    }

    fn await_in(&self, proxy: Proxy) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let wanted = format!("{}_9", self.address);
        while Instant::now() < until {
            let listeners = listeners(proxy)?;
            let all = listeners.pointer("/configs").and_then(Value::as_array).context("no listeners in config_dump")?;
            let is_marked =
                all.iter().any(|listener| listener["name"] == *wanted && listener.get("active_state").is_some());
            // A listener that warms is not yet the one that answers.
            if is_marked && !all.iter().any(|listener| listener.get("warming_state").is_some()) {
                return Ok(());
            }
        }
        bail!("{}.{} was not pushed to within {PATIENCE:?}", proxy.workload, proxy.namespace)
    }
}

/// Waits until several looks at a proxy show the same.
fn at_rest(proxy: Proxy) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let (mut last, mut same) = (Value::Null, 0);
    while same < AT_REST {
        ensure!(Instant::now() < until, "{}.{} changes without end", proxy.workload, proxy.namespace);
        let now = listeners(proxy)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(())
}

fn listeners(proxy: Proxy) -> Result<Value> {
    Ok(serde_json::from_str(&admin(proxy, "config_dump?resource=dynamic_listeners")?)?)
}

/// What the admin interface of a proxy answers.
pub(crate) fn admin(proxy: Proxy, path: &str) -> Result<String> {
    let workload = format!("deploy/{}", proxy.workload);
    printed(&[
        "exec",
        "-n",
        proxy.namespace,
        &workload,
        "-c",
        "istio-proxy",
        "--",
        "pilot-agent",
        "request",
        "GET",
        path,
    ])
}
