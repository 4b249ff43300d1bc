//! Findings, and what would help: each change with what the rules say of it.

use std::collections::HashSet;
use std::io::{self, Write};

use crate::print::narrative::Told;
use crate::verdict::report::{Finding, Fix, Moved, Pair, Report, Simulated};

/// Numbers fixes through and tells each finding once.
#[derive(Default)]
pub(super) struct Numbered<'r> {
    told: HashSet<&'r str>,
    /// The command of each fix that was told.
    fixes: Vec<&'r str>,
}

// === impl Numbered ===

impl<'r> Numbered<'r> {
    /// Writes the findings about these pairs.
    pub(super) fn write(
        &mut self,
        report: &'r Report,
        pairs: &[&Pair],
        told: &Told,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let about = |finding: &&Finding| pairs.iter().any(|pair| finding.pairs.contains(&pair.id));
        for finding in report.findings.iter().filter(about) {
            if !self.told.insert(finding.id.as_str()) {
                continue;
            }
            writeln!(out, "{} {}  {}", finding.code, finding.severity.as_str(), finding.title)?;
            let concerned: Vec<&Pair> = report.pairs.iter().filter(|pair| finding.pairs.contains(&pair.id)).collect();
            for fix in &finding.fixes {
                if let Some(known) = self.fixes.iter().position(|command| *command == fix.command) {
                    writeln!(out, "Fix {} helps here as well (simulated: {})", known + 1, simulated(&fix.simulated))?;
                    continue;
                }
                self.fixes.push(&fix.command);
                fixed(self.fixes.len(), fix, &concerned, out)?;
            }
            nothing_helps(finding, &concerned, told, out)?;
        }
        Ok(())
    }
}

/// `Fix 1, keeps STRICT (simulated: 2 pairs 503 -> mTLS, 0 worse): ...`, then what can be pasted.
fn fixed(number: usize, fix: &Fix, concerned: &[&Pair], out: &mut dyn Write) -> io::Result<()> {
    let kind = if fix.weaker {
        ", WEAKER"
    } else if concerned.iter().any(|pair| pair.endpoints.iter().any(|end| end.accepts.mode == "STRICT")) {
        ", keeps STRICT"
    } else {
        ""
    };
    let managed = fix.object.as_ref().and_then(|object| object.managed_by.as_ref());
    let managed = managed.map(|by| format!(". Managed by {by}: change it there, or it comes back")).unwrap_or_default();
    writeln!(out, "Fix {number}{kind} (simulated: {}): {}{managed}", simulated(&fix.simulated), fix.title)?;
    let file = fix.object.as_ref().and_then(|object| object.file.as_ref());
    match (&fix.manifest, file) {
        (Some(manifest), Some(file)) => {
            writeln!(out, "  # takes the place of the object at {file}")?;
            pasted(manifest, out)
        }
        (Some(manifest), None) => {
            writeln!(out, "  # a new object: kubectl apply -f -, or a file beside the others")?;
            pasted(manifest, out)
        }
        (None, _) => writeln!(out, "  {}", fix.command.replace('\n', "\n  ")),
    }
}

fn pasted(manifest: &serde_json::Value, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(manifest).map_err(io::Error::other)?;
    text.lines().try_for_each(|line| writeln!(out, "  {line}"))
}

fn simulated(simulated: &Simulated) -> String {
    let mut parts: Vec<String> = simulated.moved.iter().map(moved).collect();
    if simulated.still_refused > 0 {
        parts.push(format!("{} still refused", simulated.still_refused));
    }
    let opened = match simulated.weakened {
        0 => String::new(),
        1 => ": 1 port of a pod takes plaintext that did not".to_owned(),
        many => format!(": {many} ports of pods take plaintext that did not"),
    };
    parts.push(format!("{} worse{opened}", simulated.worse));
    parts.join(", ")
}

fn moved(moved: &Moved) -> String {
    let pairs = if moved.pairs == 1 { "pair" } else { "pairs" };
    let from = moved.http.as_deref().unwrap_or(moved.from);
    format!("{} {pairs} {} -> {}", moved.pairs, word(from), word(moved.to))
}

fn word(wire: &str) -> &str {
    match wire {
        "mutual-tls" => "mTLS",
        "partly-refused" => "partly refused",
        other => other,
    }
}

/// What is left to say where no change of policy helps.
fn nothing_helps(finding: &Finding, concerned: &[&Pair], told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let bare = concerned.iter().any(|pair| pair.originates.mode == "NO_PROXY");
    match (finding.code, finding.fixes.is_empty(), told.weaker, bare) {
        ("MTLS104", _, false, true) => writeln!(
            out,
            "  STRICT stays if the client gets a sidecar; --allow-weaker shows what would accept its plaintext"
        ),
        ("MTLS101" | "MTLS102" | "MTLS103", true, _, _) => {
            writeln!(out, "  No change of one policy was found that helps and makes nothing worse")
        }
        (_, _, _, _) => Ok(()),
    }
}
