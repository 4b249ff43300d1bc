//! TLS to an application that has none and waits for more: curl sees nothing for as long as the client's proxy tries.
//!
//! The proxy's handshake hangs until `connectTimeout` is over, 10 s where the mesh does not say, and is tried three times: a 503 after half a
//! minute, which neither the tool's curl nor a person's waits for. The cases run with one second (`world/istio.yaml`); here it is as in Istio.
//!
//! Now and then an attempt does not hang: gunicorn reads as far as the first end of a line, and among the random bytes of a `ClientHello`, of which
//! a share for ML-KEM has more than a thousand, there is one by chance. That is answered 400 at once, in plaintext, and tried again.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::kubectl::{applied, delete_policies, printed};
use crate::place::Place;
use crate::settle::Mark;
use crate::tool::report;

const RULE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: httpbin, namespace: legacy}\n\
                    spec:\n  host: httpbin.legacy.svc.cluster.local\n  trafficPolicy:\n    tls: {mode: ISTIO_MUTUAL}\n    \
                    connectionPool: {tcp: {connectTimeout: 10s}}\n";
/// Status, exit status, seconds.
const PATIENT_CURL: &str =
    "curl -s -m 60 -o /dev/null -w '%{http_code} %{exitcode} %{time_total}' http://httpbin.legacy:8000/headers";

/// What is not as it should be.
pub(crate) fn an_application_that_waits() -> Result<Vec<String>> {
    delete_policies()?;
    applied(RULE)?;
    Mark::apply()?.await_everywhere(&Place::own().sidecars, &[])?;
    let (seen, checked) = std::thread::scope(|scope| {
        let patient = scope
            .spawn(|| printed(&["exec", "-n", "foo", "deploy/sleep", "-c", "sleep", "--", "sh", "-c", PATIENT_CURL]));
        (patient.join(), report(&["httpbin.legacy:8000", "--from", "sleep.foo"]))
    });
    let seen = seen.ok().context("the patient curl panicked")??;
    delete_policies()?;

    let mut wrong = Vec::new();
    let [code, exit, seconds] = seen.split(' ').collect::<Vec<_>>()[..] else {
        return Ok(vec![format!("curl printed `{seen}`")]);
    };
    if (code, exit) != ("503", "0") || seconds.parse::<f32>()? < 9.5 {
        wrong.push(format!(
            "the proxy waits 10 s for an answer, up to three times, and says 503; curl printed `{seen}`"
        ));
    }
    let report = checked?;
    let pair = report["pairs"].get(0).context("the report has no pair")?;
    for (path, due) in [
        ("/intent/wire", Value::from("refused")),
        ("/intent/why", "application-gets-ciphertext".into()),
        ("/intent/http", "503".into()),
        ("/programmed/wire", "refused".into()),
        // It is not proven by an answer that did not come in time.
        ("/observed/wire", "unknown".into()),
        ("/observed/exit", 28.into()),
        ("/verdict", "refused".into()),
        ("/gaps", Value::Array(Vec::new())),
    ] {
        let said = pair.pointer(path).unwrap_or(&Value::Null);
        if *said != due {
            wrong.push(format!("{path}: {said}, not {due}"));
        }
    }
    Ok(wrong)
}
