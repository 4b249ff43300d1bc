//! Envoy's response flags, where an answer implies them.
//!
//! The body of a local reply names the reason of the reset, and each reason has one flag
//! (`source/common/http/utility.cc`, `source/common/router/router.cc`); measured on Envoy 1.36 to 1.40. They are those of the
//! proxy that made the answer. What has no body, or another one, implies nothing.

use crate::model::evidence::Transfer;
use crate::observed::signature::{Answerer, Ends, answerer};

/// Reasons of a reset, and Envoy's flag for each.
const RESETS: [(&str, &str); 7] = [
    ("reset reason: connection termination", "UC"),
    ("reset reason: remote connection failure", "UF"),
    ("reset reason: local connection failure", "UF"),
    // Older Envoys name neither end.
    ("reset reason: connection failure", "UF"),
    ("reset reason: connection timeout", "UF"),
    ("reset reason: overflow", "UO"),
    ("reset reason: protocol error", "UPE"),
];

/// The flags that an answer implies, in the order of the alphabet: Envoy's own order is not fixed.
#[must_use]
pub fn implied(transfer: &Transfer, ends: Ends) -> Vec<&'static str> {
    match answerer(transfer, ends) {
        Answerer::ClientProxy | Answerer::ServerProxy => of_body(transfer),
        // An application may itself relay what some other Envoy said.
        Answerer::ServerSide | Answerer::Application | Answerer::Nobody => Vec::new(),
    }
}

fn of_body(transfer: &Transfer) -> Vec<&'static str> {
    let body = transfer.body.as_str();
    match transfer.http.as_str() {
        "504" if body == "upstream request timeout" => vec!["UT"],
        "503" if body == "no healthy upstream" => vec!["UH"],
        "502" | "503" | "504" if body.starts_with("upstream connect error or disconnect/reset before headers.") => {
            let mut flags: Vec<&str> =
                RESETS.iter().filter(|(reason, _)| body.contains(reason)).map(|(_, flag)| *flag).collect();
            if !flags.is_empty() && body.contains("retried and the latest reset reason") {
                flags.push("URX");
            }
            flags
        }
        _ => Vec::new(),
    }
}
