//! `lab`: the reference mesh, held open for whatever speaks to a Kubernetes API.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::config::Kubeconfig;

use crate::cli::source::ManifestArgs;
use crate::cli::{Streams, drift, notice, standalone};
use crate::exit::Exit;
use crate::lab::drift::Drift;
use crate::lab::envoy::find::ProxyChoice;
use crate::lab::mesh::{Lab, LabSettings};
use crate::model::mesh::IstioVersion;
use crate::source::cluster::{Cluster, ClusterRequest};

/// Arguments of `lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// Where to write the kubeconfig; readable by you alone (default: standard output)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    write_kubeconfig: Option<PathBuf>,
    /// Version of the control plane
    #[arg(long, value_name = "VERSION", default_value_t)]
    istio_version: IstioVersion,
    /// What the sidecars are: reference, envoy or envoy=PATH
    #[arg(long, value_name = "PROXY", default_value_t)]
    proxy: ProxyChoice,
    /// Seconds that the control plane takes to push a change to the proxies
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    push_delay: u64,
    /// End after this many seconds (default: when interrupted)
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Make proxies depart from policy: client, server, bypass or rejected, for one workload or all (server=httpbin.bar;
    /// repeatable)
    #[arg(long, value_name = "DRIFT")]
    drift: Vec<Drift>,
    #[command(flatten)]
    manifests: ManifestArgs,
}

/// Runs `lab` until interrupted.
pub fn run(args: &LabArgs, streams: &mut Streams<'_>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            notice::error(streams, &format!("cannot start: {error}"), None);
            return Exit::CouldNotWork;
        }
    };
    let exit = match runtime.block_on(hold(args, streams)) {
        Ok(exit) => exit,
        Err(reason) => {
            notice::error(streams, &reason, None);
            Exit::CouldNotWork
        }
    };
    runtime.shutdown_background();
    exit
}

async fn hold(args: &LabArgs, streams: &mut Streams<'_>) -> Result<Exit, String> {
    let given = args.manifests.read(streams);
    let not_started = |e: &dyn std::fmt::Display| format!("the reference mesh could not be started: {e}");
    let envoy = args.proxy.program().map_err(|e| not_started(&e))?;
    let settings = LabSettings {
        version: args.istio_version,
        drifts: args.drift.clone(),
        envoy,
        push_delay: Duration::from_secs(args.push_delay),
    };
    let lab = Lab::of(settings).await.map_err(|e| not_started(&e))?;
    let kubeconfig = lab.kubeconfig();
    let parsed = Kubeconfig::from_yaml(&kubeconfig).map_err(|e| e.to_string())?;
    let cluster = Cluster::from_kubeconfig(parsed, &ClusterRequest::default()).await.map_err(|e| e.to_string())?;
    let refused = standalone::apply(&cluster, &given, streams).await.map_err(|e| e.to_string())?;
    if let Err(idle) = drift::refuse_idle(&lab, &args.drift) {
        notice::error(streams, &idle.to_string(), idle.hint.as_deref());
        return Ok(Exit::Usage);
    }
    if !args.drift.is_empty() {
        lab.let_time_pass();
    }
    lab.settled(standalone::PUSH).await.map_err(|e| e.to_string())?;
    match &args.write_kubeconfig {
        None => notice::line(streams.out, kubeconfig.trim_end()),
        Some(file) => {
            write_private(file, &kubeconfig).map_err(|e| format!("cannot write `{}`: {e}", file.display()))?;
            notice::line(streams.err, &format!("export KUBECONFIG={}", file.display()));
        }
    }
    let _ = streams.out.flush();
    notice::line(streams.err, &format!("The reference mesh runs Istio {}; interrupt to end it.", args.istio_version));
    let over = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = over => {}
    }
    Ok(if refused { Exit::CouldNotWork } else { Exit::Clean })
}

/// The kubeconfig holds a token: nobody else may read it.
fn write_private(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file)?.write_all(text.as_bytes())
}
