//! The recorded combinations of client, server, port and application, acted by real Envoys that the lab configured.

use std::time::Duration;

use futures_util::StreamExt as _;

use crate::envoy::known::REFERENCE;
use crate::lab_dataplane::cases::Case;

/// Cases at a time: two Envoys each.
const AT_ONCE: usize = 2;
/// What a case may take: two Envoys that start on a busy machine, and an application that never answers.
const PATIENCE: Duration = Duration::from_mins(2);

/// What does not come out as recorded, and why.
const DIFFER: [(&str, &str); 3] = [
    ("mixed", "which endpoint is taken is left to chance"),
    ("client-sds-missing", "an Envoy keeps the certificate it has; the recorded one never had any"),
    ("server-sds-missing", "an Envoy keeps the certificate it has; the recorded one never had any"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
#[ignore = "needs a real Envoy: tests/envoy/run"]
async fn recorded_cases_come_out_as_recorded_on_real_envoy() {
    let version = super::version();
    if version < REFERENCE {
        eprintln!("recorded cases: of Envoy 1.40 alone, this is {}.{}", version.0, version.1);
        return;
    }
    let only = std::env::var("ENVOY_CASE").ok();
    let asked = |case: &Case| only.as_ref().is_none_or(|only| case.id.contains(only.as_str()));
    let differs = |case: &Case| DIFFER.iter().any(|(part, _)| case.id.contains(part));
    let run = |case: Case| async move {
        let differences = tokio::time::timeout(PATIENCE, case.differences(Some(super::program()))).await;
        (case.id, differences.unwrap_or_else(|_| vec![format!("not done after {PATIENCE:?}")]))
    };
    let cases: Vec<Case> = Case::all().into_iter().filter(|case| asked(case) && !differs(case)).collect();
    let ran: Vec<_> = futures_util::stream::iter(cases.into_iter().map(run)).buffer_unordered(AT_ONCE).collect().await;
    let failed: Vec<_> = ran.iter().filter(|(_, differences)| !differences.is_empty()).collect();
    eprintln!("{} recorded cases on Envoy {}.{}, {} differ", ran.len(), version.0, version.1, failed.len());
    assert!(failed.is_empty(), "{} of {} cases: {failed:#?}", failed.len(), ran.len());
    assert!(only.is_some() || ran.len() == 295, "{}", ran.len());
}
