//! The lab on real Envoy beside the lab on its own proxies: the same requests must fare alike.
//!
//! Needs an Envoy, so an ordinary `cargo test` leaves it out; `tests/envoy/run` fetches one and runs it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::path::PathBuf;

use futures_util::StreamExt as _;
use kubectl_mtls::model::mesh::IstioVersion;

use crate::envoy::side::Side;
use crate::scenario::file::{self, Scenario};
use crate::scenario::row::Verdict;

mod cases;
pub(crate) mod known;
mod processes;
mod side;
mod traffic;

/// Scenarios at a time: two labs and four Envoys each.
const AT_ONCE: usize = 1;

/// The Envoy that `tests/envoy/run` fetched.
pub(crate) fn program() -> PathBuf {
    let program = std::env::var_os("KUBECTL_MTLS_TEST_ENVOY").expect("run this through tests/envoy/run");
    PathBuf::from(program)
}

/// `1.40`, by what the binary says.
pub(crate) fn version() -> (u32, u32) {
    let output = std::process::Command::new(program()).arg("--version").output().expect("an answer");
    let text = String::from_utf8(output.stdout).expect("text");
    // `PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let version = text.split(" version: ").nth(1).and_then(|text| text.split('/').nth(1));
    let version = version.unwrap_or_else(|| panic!("no version in `{text}`"));
    let mut parts = version.split('.').map(|part| part.parse().expect("a number"));
    (parts.next().expect("major"), parts.next().expect("minor"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
#[ignore = "needs a real Envoy: tests/envoy/run"]
async fn every_scenario_fares_alike_on_both_proxies() {
    let version = version();
    let scenarios = file::all().unwrap();
    // Which endpoint of several is taken is left to chance: where they differ, so do two runs of one proxy.
    let chance =
        |scenario: &&Scenario| scenario.rows_at(IstioVersion::NEWEST).iter().any(|row| row.verdict == Verdict::Mixed);
    let in_lab = scenarios.iter().filter(|scenario| scenario.not_in_lab.is_none());
    let (left_out, acted): (Vec<&Scenario>, Vec<&Scenario>) = in_lab.partition(chance);
    for scenario in left_out {
        eprintln!("{}: left out, an endpoint is taken by chance", scenario.id);
    }
    let run = |scenario| async move {
        let (reference, envoy) = futures_util::future::join(
            Box::pin(Side::act(scenario, None)),
            Box::pin(Side::act(scenario, Some(program()))),
        )
        .await;
        let (pairs, differences) = envoy.differences(&reference, version);
        eprintln!("{}: {pairs} pairs, {} differences", scenario.id, differences.len());
        for difference in &differences {
            eprintln!("    {difference}");
        }
        (scenario.id.clone(), pairs, differences)
    };
    let ran: Vec<_> =
        futures_util::stream::iter(acted.iter().copied().map(run)).buffer_unordered(AT_ONCE).collect().await;
    let pairs: usize = ran.iter().map(|(_, pairs, _)| pairs).sum();
    eprintln!("{} scenarios, {pairs} pairs on Envoy {}.{} and on the reference proxy", ran.len(), version.0, version.1);
    let failed: Vec<String> = ran
        .iter()
        .flat_map(|(id, _, differences)| differences.iter().map(move |difference| format!("{id}: {difference}")))
        .collect();
    assert!(failed.is_empty(), "{} differences:\n{}", failed.len(), failed.join("\n"));
    assert_eq!(ran.len(), acted.len());
    assert!(pairs > 5 * ran.len(), "{pairs}");
}
