//! The real thing: `kubectl-mtls check --standalone` on a scenario, as a process of its own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use kubectl_mtls::model::mesh::IstioVersion;
use serde_json::Value;

use crate::scenario::file::{self, Scenario};
use crate::scenario::row::PairName;
use crate::scenario::seeds::Seeds;

/// One run takes a few seconds; more than this is a hang.
const PATIENCE: Duration = Duration::from_mins(2);
/// Runs at a time.
const AT_ONCE: usize = 3;

/// Reports by scenario and version; a run that failed says why.
pub(crate) type Reports = BTreeMap<(String, IstioVersion), Result<Value, String>>;

/// Every scenario at every version that the lab has to show, run once for all tests.
pub(crate) fn reports() -> &'static Result<Reports, String> {
    static REPORTS: OnceLock<Result<Reports, String>> = OnceLock::new();
    REPORTS.get_or_init(|| run_all().map_err(|error| format!("{error:#}")))
}

/// The newest version, those of the seeds that a scenario acts, and the oldest where its answers changed since.
pub(crate) fn versions(scenario: &Scenario, seeds: &Seeds) -> Result<Vec<IstioVersion>> {
    let mut versions = vec![IstioVersion::NEWEST];
    for id in &scenario.seed {
        versions.push(seeds.entry(id)?.version());
    }
    if scenario.has_history() {
        versions.push(IstioVersion::OLDEST);
    }
    versions.sort();
    versions.dedup();
    Ok(versions)
}

/// The pair in a report.
pub(crate) fn find<'a>(report: &'a Value, pair: &PairName) -> Option<&'a Value> {
    report["pairs"].as_array()?.iter().find(|found| {
        let (client, server) = (&found["client"], &found["server"]);
        client["namespace"] == *pair.client.namespace
            && client["workload"] == *pair.client.name
            && server["namespace"] == *pair.server.namespace
            && server["service"] == *pair.server.name
            && server["port"] == pair.port
    })
}

fn run_all() -> Result<Reports> {
    let (scenarios, seeds) = (file::all().map_err(|wrong| anyhow!("{wrong:?}"))?, Seeds::read()?);
    let mut jobs = Vec::new();
    for scenario in scenarios.iter().filter(|scenario| scenario.not_in_lab.is_none()) {
        jobs.extend(versions(scenario, &seeds)?.into_iter().map(|version| (scenario, version)));
    }
    let (jobs, reports) = (Mutex::new(jobs.into_iter()), Mutex::new(Reports::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((scenario, version)) = jobs.lock().ok().and_then(|mut jobs| jobs.next()) {
                    let report = run(scenario, version).map_err(|error| format!("{error:#}"));
                    if let Ok(mut reports) = reports.lock() {
                        reports.insert((scenario.id.clone(), version), report);
                    }
                }
            });
        }
    });
    reports.into_inner().ok().context("a run of the lab panicked")
}

/// Runs the command and reads the report it prints.
pub(crate) fn run(scenario: &Scenario, version: IstioVersion) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    command.args(["check", "--standalone", "-o", "json", "--istio-version", &version.to_string()]);
    for (name, text) in [("world", scenario.world.manifests_beside_the_lab()), ("policies", scenario.policies.clone())]
    {
        if !text.trim().is_empty() {
            let path = folder.path().join(format!("{name}.yaml"));
            std::fs::write(&path, text)?;
            command.arg("-f").arg(path);
        }
    }
    if !scenario.world.only_httpbin() {
        command.args(["--probe", "--from", "app=sleep"]).args(scenario.world.service_arguments());
    }
    let output = finish(command)?;
    // 1 is "there are findings", and most scenarios have some; 3 tells of manifests that were refused.
    let expected: &[i32] = if scenario.refused.is_empty() { &[0, 1] } else { &[0, 1, 3] };
    ensure!(
        output.code.is_some_and(|code| expected.contains(&code)),
        "exit {:?}: {}",
        output.code,
        output.stderr.trim()
    );
    serde_json::from_str(&output.stdout).with_context(|| format!("stdout is no JSON; stderr: {}", output.stderr.trim()))
}

/// What a process left.
pub(crate) struct Output {
    /// Its exit status; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained.
    pub(crate) stderr: String,
}

/// Waits for a process, but not for ever.
pub(crate) fn finish(mut command: Command) -> Result<Output> {
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (mut stdout, mut stderr) =
        (child.stdout.take().context("no stdout")?, child.stderr.take().context("no stderr")?);
    let (done, finished) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text).map(|_| text);
        // Nobody listens any more when the patience is over.
        _ = done.send(());
        read
    });
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let patient = finished.recv_timeout(PATIENCE).is_ok();
    if !patient {
        child.kill()?;
    }
    let code = child.wait()?.code();
    let read = |thread: std::thread::JoinHandle<std::io::Result<String>>| match thread.join() {
        Ok(text) => text.context("its output is no text"),
        Err(_) => bail!("the reader of its output panicked"),
    };
    let (stdout, stderr) = (read(reader)?, read(errors)?);
    ensure!(patient, "no answer within {} s; stderr: {}", PATIENCE.as_secs(), stderr.trim());
    Ok(Output { code, stdout, stderr })
}
