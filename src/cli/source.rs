//! Where the answer comes from: exactly one of a cluster, manifests, the embedded reference mesh.

use std::path::PathBuf;

use clap::Args;

use crate::cli::answer::{Answer, Manifests, NoAnswer};
use crate::cli::cluster::ClusterArgs;
use crate::cli::mesh_config::MeshConfigArgs;
use crate::cli::{Streams, notice, standalone};
use crate::decode::{Assume, Objects, Problem, manifests};
use crate::exit::Exit;
use crate::gather::bundle::Record;
use crate::gather::check::{self, Known};
use crate::gather::dumps::Dump;
use crate::gather::progress::Progress;
use crate::gather::replay;
use crate::gather::scope::{Probes, Scope};
use crate::lab::drift::Drift;
use crate::lab::envoy::find::ProxyChoice;
use crate::model::mesh::IstioVersion;
use crate::source::cluster::Cluster;
use crate::source::manifests as files;

/// Arguments that choose the source.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Run the embedded reference mesh and look at that
    #[arg(long, help_heading = "Source")]
    pub standalone: bool,
    /// What the sidecars of the reference mesh are: reference, envoy or envoy=PATH
    #[arg(long, value_name = "PROXY", default_value_t, requires = "standalone", help_heading = "Source")]
    proxy: ProxyChoice,
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    mesh_config: MeshConfigArgs,
    /// Answer from a bundle that --save wrote
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, help_heading = "Source",
          conflicts_with_all = ["standalone", "filename", "save", "from_dump"])]
    bundle: Option<PathBuf>,
    /// Keep what was read in a new directory, to answer from it later or elsewhere: without keys, tokens or environments
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, help_heading = "Source",
          conflicts_with = "from_dump")]
    save: Option<PathBuf>,
    /// A dump of a proxy's configuration taken before, as what it was told (repeatable)
    #[arg(long, value_name = "WORKLOAD.NAMESPACE=FILE", help_heading = "Source")]
    from_dump: Vec<Dump>,
    /// Make proxies of the reference mesh depart from policy: client, server, bypass or rejected, for one workload or all
    /// (server=httpbin.bar; repeatable)
    #[arg(long, value_name = "DRIFT", requires = "standalone", help_heading = "Source")]
    drift: Vec<Drift>,
    /// Version of Istio whose rules hold, 1.9 to 1.31 (default: what the mesh runs)
    #[arg(long, value_name = "VERSION", help_heading = "Source")]
    istio_version: Option<IstioVersion>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Manifests to judge or to apply.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// Manifests (file, directory or -): the mesh to judge, or to apply to the reference mesh (repeatable)
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath, help_heading = "Source")]
    filename: Vec<PathBuf>,
    /// Look for manifests in the directories below those that -f names, too
    #[arg(short = 'R', long, requires = "filename", help_heading = "Source")]
    recursive: bool,
    /// Namespace: of the servers, and of manifests that name none
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Source")]
    pub namespace: Option<String>,
}

/// Between whom requests are sent.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Send requests from the chosen clients to every HTTP port in scope: one GET /.well-known/kubectl-mtls each
    /// (default: only from pods labelled app=sleep or app=curl to pods labelled app=httpbin)
    #[arg(long, conflicts_with = "no_probe")]
    probe: bool,
    /// The most requests that --probe sends
    #[arg(long, value_name = "COUNT", default_value_t = 100, requires = "probe")]
    max_probes: usize,
    /// Send no requests
    #[arg(long)]
    no_probe: bool,
    /// Send requests as with --probe. Where a client that --from names has no curl, add a container of this image to its pod
    /// and send from there. The pod keeps it as long as it lives. The image needs curl and sleep
    #[arg(long, value_name = "IMAGE", requires = "from", conflicts_with = "no_probe")]
    pub debug_image: Option<String>,
}

/// Whether STRICT is put to the test.
#[derive(Debug, Args)]
pub struct NegativeArgs {
    /// Put each STRICT claim to the test: from the container of a test client's sidecar, where no proxy sees it, or else from
    /// one without sidecar, straight to a pod, a plaintext request and one with TLS without certificate must be refused.
    /// HTTP ports only, 50 at most
    #[arg(long, conflicts_with_all = ["wait", "summary", "bundle", "save"])]
    pub negative_test: bool,
}

// === impl SourceArgs ===

impl SourceArgs {
    /// Looks at the chosen source; whatever has to be said goes to standard error.
    ///
    /// # Errors
    /// The exit status, once the reason has been said.
    pub fn answer(&self, scope: &Scope, streams: &mut Streams<'_>) -> Result<Answer, Exit> {
        self.refuse_contradictions(scope, streams)?;
        let mesh_config = self.mesh_config.read(streams)?;
        let (given, gathered) = if self.standalone {
            (self.manifests.read(streams), Objects::default())
        } else {
            self.manifests.gather(streams)
        };
        let given = Manifests { mesh_config, ..given };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| {
            notice::error(streams, &format!("cannot start: {error}"), None);
            Exit::CouldNotWork
        })?;
        let outcome = runtime.block_on(async {
            let progress = Progress::new(streams.watched);
            let outcome = self.look(&given, gathered, scope, &progress, streams).await;
            progress.done();
            outcome
        });
        // Whatever still waits for a peer that never answers ends with the process.
        runtime.shutdown_background();
        let outcome = outcome.and_then(|answer| self.keep(answer));
        match outcome {
            Ok(answer) => Ok(Answer { refused: answer.refused || given.refused(), ..answer }),
            Err(failure) => {
                notice::error(streams, &failure.to_string(), failure.hint());
                Err(failure.exit())
            }
        }
    }

    async fn look(
        &self,
        given: &Manifests,
        gathered: Objects,
        scope: &Scope,
        progress: &Progress,
        streams: &mut Streams<'_>,
    ) -> Result<Answer, NoAnswer> {
        if self.standalone {
            let known = Known { origins: given.origins(), ..self.known() };
            let mesh = standalone::Mesh { version: self.istio_version, proxy: &self.proxy, drifts: &self.drift };
            return standalone::check(given, &mesh, scope, &known, progress, streams).await;
        }
        if let Some(directory) = &self.bundle {
            let record = Record::load(directory)?;
            let checked = replay::bundle(&record, scope, &directory.display().to_string())?;
            return Ok(Answer { checked, refused: false });
        }
        if !self.manifests.filename.is_empty() {
            let mut known = self.known();
            known.assume.mesh_config.clone_from(&given.mesh_config);
            let checked = check::offline(gathered, scope, &known, self.manifests.default_namespace())?;
            return Ok(Answer { checked, refused: false });
        }
        let cluster = Cluster::connect(&self.cluster.request(self.manifests.namespace.as_deref())).await?;
        let checked = check::cluster(&cluster, scope, &self.known(), progress).await?;
        Ok(Answer { checked, refused: false })
    }

    /// Writes the bundle that was asked for.
    fn keep(&self, answer: Answer) -> Result<Answer, NoAnswer> {
        if let (Some(directory), Some(record)) = (&self.save, &answer.checked.record) {
            record.save(directory)?;
        }
        Ok(answer)
    }

    fn refuse_contradictions(&self, scope: &Scope, streams: &mut Streams<'_>) -> Result<(), Exit> {
        let is_asked = [
            (scope.negative_test, "--negative-test sends requests to a mesh that runs; files have none"),
            (scope.debug_image.is_some(), "--debug-image adds containers to pods that run; files have none"),
            (scope.wait.is_some(), "--wait asks the proxies of a mesh that runs; files have none"),
            (scope.proxies.traffic.is_some(), "--traffic watches a mesh that runs; files and bundles do not"),
        ];
        let runs = self.is_cluster() || self.standalone;
        if let Some((_, why)) = is_asked.into_iter().find(|(is_asked, _)| *is_asked && !runs) {
            notice::error(streams, why, None);
            return Err(Exit::Usage);
        }
        if let Some(version) = self.istio_version
            && !(IstioVersion::OLDEST..=IstioVersion::NEWEST).contains(&version)
        {
            let known = format!("rules are known for {} to {}", IstioVersion::OLDEST, IstioVersion::NEWEST);
            notice::error(streams, &format!("--istio-version {version} is not known"), Some(&known));
            return Err(Exit::Usage);
        }
        for dump in &self.from_dump {
            if let Err(error) = std::fs::File::open(&dump.file) {
                notice::error(streams, &format!("cannot read `{}`: {error}", dump.file.display()), None);
                return Err(Exit::CouldNotWork);
            }
        }
        if self.save.is_some() && !self.standalone && !self.manifests.filename.is_empty() {
            let text = "--save keeps what is read of a cluster; -f alone reads nothing but its files";
            notice::error(streams, text, Some("hand on the files themselves"));
            return Err(Exit::Usage);
        }
        if self.cluster.chooses() && !self.is_cluster() {
            let text = "--kubeconfig and --context choose a cluster; --standalone, --bundle and -f take its place";
            notice::error(streams, text, Some("name one source only"));
            return Err(Exit::Usage);
        }
        Ok(())
    }

    /// The namespace that was named.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.manifests.namespace.as_deref()
    }

    /// Whether the source is a cluster that somebody else runs.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        !self.standalone && self.bundle.is_none() && self.manifests.filename.is_empty()
    }

    fn known(&self) -> Known {
        Known {
            assume: Assume {
                istio_version: self.istio_version,
                mesh_config: None,
                istio_namespace: self.cluster.istio_namespace.clone(),
            },
            istio_namespace: self.cluster.istio_namespace.clone(),
            dumps: self.from_dump.clone(),
            keep: self.save.is_some(),
            ..Known::default()
        }
    }

    /// Flags that choose this source again, for the commands that are proposed.
    #[must_use]
    pub fn flags(&self) -> String {
        let mut flags = Vec::new();
        if self.standalone {
            flags.push("--standalone".to_owned());
        }
        if self.proxy != ProxyChoice::default() {
            flags.push(format!("--proxy {}", self.proxy));
        }
        flags.extend(self.bundle.iter().map(|name| format!("--bundle {}", name.display())));
        flags.extend(self.drift.iter().map(|drift| format!("--drift {drift}")));
        flags.extend(self.from_dump.iter().map(|dump| format!("--from-dump {dump}")));
        flags.extend(self.manifests.filename.iter().map(|name| format!("-f {}", name.display())));
        if self.manifests.recursive {
            flags.push("-R".to_owned());
        }
        flags.extend(self.mesh_config.flag());
        if let Some(version) = self.istio_version {
            flags.push(format!("--istio-version {version}"));
        }
        flags.join(" ")
    }
}

// === impl ProbeArgs ===

impl ProbeArgs {
    /// What was chosen.
    #[must_use]
    pub fn probes(&self) -> Probes {
        match (self.no_probe, self.probe || self.debug_image.is_some()) {
            (true, _) => Probes::None,
            (false, true) => Probes::Chosen(self.max_probes),
            (false, false) => Probes::TestPairs,
        }
    }
}

// === impl ManifestArgs ===

impl ManifestArgs {
    /// Reads everything that `-f` names, to apply it, and says what is wrong with it.
    pub fn read(&self, streams: &mut Streams<'_>) -> Manifests {
        let mut objects = Vec::new();
        let given = self.each(streams, |file, text| {
            let (read, problems) = manifests::parse(file, text, self.default_namespace());
            objects.extend(read);
            problems
        });
        Manifests { objects, ..given }
    }

    /// The same, to judge it as it is.
    fn gather(&self, streams: &mut Streams<'_>) -> (Manifests, Objects) {
        let mut gathered = Objects::default();
        let given = self.each(streams, |file, text| {
            let (read, problems) = manifests::gather(file, text, self.default_namespace());
            gathered.append(read);
            problems
        });
        (given, gathered)
    }

    fn each(&self, streams: &mut Streams<'_>, mut read: impl FnMut(&str, &str) -> Vec<Problem>) -> Manifests {
        let mut given = Manifests::default();
        for name in &self.filename {
            let (texts, unreadable) = files::read(name, self.recursive);
            given.unreadable.extend(unreadable);
            for files::Text { file, text } in texts {
                given.problems.extend(read(&file, &text));
            }
        }
        for failure in &given.unreadable {
            notice::error(streams, &failure.to_string(), None);
        }
        for problem in &given.problems {
            notice::line(streams.err, &problem.to_string());
        }
        given
    }

    fn default_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}
