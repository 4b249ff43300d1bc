//! What was sent to be refused, in a short block.

use std::io::{self, Write};

use crate::print::grid::visible;
use crate::verdict::negative::NegativeTest;

/// `Negative test` and below it each port; nothing where nobody asked for it.
pub(super) fn write(tests: &[NegativeTest], out: &mut dyn Write) -> io::Result<()> {
    if tests.is_empty() {
        return Ok(());
    }
    writeln!(out, "Negative test")?;
    for test in tests {
        writeln!(out, "  {}", visible(&line(test)))?;
    }
    Ok(())
}

/// `bar/httpbin port 80 (pa/httpbin.bar): plaintext refused (56), TLS without certificate refused (56), by foo/sleep-7c
/// (istio-proxy)`.
fn line(test: &NegativeTest) -> String {
    let head = format!("{}/{} port {} ({})", test.namespace, test.workload, test.port, test.decided_by.short());
    let (Some(plaintext), Some(tls), Some(from)) = (&test.plaintext, &test.tls, &test.from) else {
        return format!("{head}: unproven: {}", test.why.as_deref().unwrap_or_default());
    };
    let why = test.why.as_ref().map(|why| format!("; unproven: {why}")).unwrap_or_default();
    format!(
        "{head}: plaintext {}, TLS without certificate {}, sent by {}/{} ({}){why}",
        plaintext.short(),
        tls.short(),
        from.namespace,
        from.pod,
        from.container
    )
}
