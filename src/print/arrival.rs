//! Whether what policy demands has arrived, in a line; and who lags.

use std::io::{self, Write};

use crate::print::grid::visible;
use crate::verdict::arrival::ArrivalView;

/// Pods that are spelled out.
const SPELLED: usize = 20;

/// `14/14 pods hold what policy demands, ...: arrived after 3 s`, or who lags and the same line.
///
/// # Errors
/// The writer's own.
pub fn write(arrival: &ArrivalView, out: &mut dyn Write) -> io::Result<()> {
    for pod in arrival.lagging.iter().take(SPELLED) {
        let name = visible(&format!("{}/{}", pod.namespace, pod.pod)).into_owned();
        writeln!(out, "{name} {}: {}", pod.state, visible(&pod.what))?;
    }
    if let Some(more @ 1..) = arrival.lagging.len().checked_sub(SPELLED) {
        writeln!(out, "and {more} more; -o json lists them")?;
    }
    let end = if arrival.arrived { "arrived" } else { "not arrived" };
    writeln!(out, "{}: {end} after {} s", arrival.counts(), arrival.seconds)?;
    out.flush()
}
