//! What real traffic did, in words: never more than the counters say.

use std::io::{self, Write};

use crate::print::grid::visible;
use crate::verdict::report::traffic::{GrewView, TrafficView};

/// `Traffic` and below it each server's proxy; nothing where nobody waited for it.
pub(super) fn write(traffic: &[TrafficView], out: &mut dyn Write) -> io::Result<()> {
    if traffic.is_empty() {
        return Ok(());
    }
    writeln!(out, "Traffic")?;
    for pod in traffic {
        for line in lines(pod) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

/// `bar/httpbin-6f in 30 s: 9 connections with TLS ended by the proxy, 3 passed on as they came`, and what is known by port and
/// caller.
pub(super) fn lines(pod: &TrafficView) -> Vec<String> {
    let name = format!("{}/{}", pod.namespace, pod.pod);
    let grew = match &pod.grew {
        GrewView::Unseen(unseen) => {
            let detail = match (unseen.unseen, &unseen.detail) {
                ("no-counters", _) => " (Istio hides Envoy's counters, and this proxy has none of Istio's)".to_owned(),
                (_, Some(detail)) => format!(" ({})", visible(detail)),
                (_, None) => String::new(),
            };
            return vec![format!("{name}: unseen: {}{detail}", unseen.unseen)];
        }
        GrewView::Seen(grew) => grew,
    };
    let mut lines = Vec::new();
    let head = format!("{name} in {} s", pod.seconds);
    if let Some(listener) = &grew.listener {
        let mut parts = vec![
            format!("{} with TLS that the proxy ended", count(listener.handshakes, "connection")),
            format!("{} passed on as they came", listener.passed()),
        ];
        let more = [
            (listener.unmatched, "closed for want of a filter chain"),
            (listener.no_certificate, "failed without a client certificate"),
            (listener.certificate_rejected, "failed with a certificate that is not accepted"),
        ];
        parts.extend(more.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        lines.push(format!("{head}: {}", parts.join(", ")));
    } else {
        lines.push(format!("{head}:"));
    }
    for port in grew.ports.iter().filter(|port| port.grew.connections > 0 || port.grew.requests > 0) {
        lines.push(format!(
            "  port {}: {} over TLS, {} in plaintext, {}",
            port.port,
            count(port.grew.tls, "new connection"),
            port.grew.plaintext(),
            count(port.grew.requests, "request")
        ));
    }
    for seen in grew.calls.iter().filter(|seen| seen.grew.mutual_tls > 0 || seen.grew.plaintext > 0) {
        let call = &seen.call;
        lines.push(format!(
            "  {} -> {}: {} mTLS, {} plaintext",
            visible(&format!("{}.{}", call.workload, call.namespace)),
            visible(&call.service),
            seen.grew.mutual_tls,
            seen.grew.plaintext
        ));
    }
    lines
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
