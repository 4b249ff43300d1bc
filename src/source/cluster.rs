//! A connection to a cluster, by kubeconfig or by what the lab hands over.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::source::clock::Clock;
use crate::source::failure::Failure;
use crate::source::{credentials, kubeconfig};

/// Which cluster to look at and how long to wait for it.
#[derive(Debug, Clone, Default)]
pub struct ClusterRequest {
    /// `--kubeconfig`; else `KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; else the current one.
    pub context: Option<String>,
    /// `-n`; else the context's namespace.
    pub namespace: Option<String>,
    /// `--request-timeout`; `None` waits 30 s for an answer to a list.
    pub request_timeout: Option<Duration>,
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: kube::Client,
    /// Name of the context, for the line that says what was looked at.
    pub context: String,
    /// The namespace commands work in by default.
    pub namespace: String,
    /// Bound on each request.
    pub timeout: Duration,
    pub(crate) clock: Arc<Clock>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig{}: {reason}", .file.as_ref().map(|f| format!(" `{}`", f.display())).unwrap_or_default())]
    Kubeconfig {
        /// The file that was named, if one was.
        file: Option<PathBuf>,
        /// Why.
        reason: String,
    },
    /// The client cannot be built from it.
    #[error("cannot set up a connection to `{server}`: {reason}")]
    Client {
        /// The server's address.
        server: String,
        /// Why.
        reason: String,
    },
    /// The server does not answer.
    #[error(transparent)]
    Server(#[from] Failure),
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Said where a context's name is: without a kubeconfig, in a pod, its service account counts.
const IN_CLUSTER: &str = "in-cluster";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

// === impl Cluster ===

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("context", &self.context)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the kubeconfig that the request names and sets up a client; nothing is asked of the server yet. Where there is no
    /// kubeconfig and none is named, in a pod, it is the pod's service account.
    ///
    /// # Errors
    /// [`ConnectError::Kubeconfig`] when it cannot be read, lacks what the request names or its plugin gives no credentials,
    /// [`ConnectError::Client`] when its certificates or addresses are unusable.
    pub async fn connect(request: &ClusterRequest) -> Result<Self, ConnectError> {
        let nothing_named = request.kubeconfig.is_none() && request.context.is_none();
        match kubeconfig::read(request.kubeconfig.as_deref()) {
            Ok(kubeconfig) => Self::from_kubeconfig(kubeconfig, request).await,
            Err(error) if nothing_named && kubeconfig::is_missing(&error) => {
                let config = kube::Config::incluster().map_err(|_| unusable(request, &error))?;
                Self::from_config(config, IN_CLUSTER.to_owned(), request)
            }
            Err(error) => Err(unusable(request, &error)),
        }
    }

    /// The same from a kubeconfig in memory, as the lab hands one over.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub async fn from_kubeconfig(kubeconfig: Kubeconfig, request: &ClusterRequest) -> Result<Self, ConnectError> {
        let context =
            request.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_else(|| "-".to_owned());
        let options = KubeConfigOptions { context: request.context.clone(), ..KubeConfigOptions::default() };
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| unusable(request, &error))?;
        credentials::settle(&mut config.auth_info)
            .await
            .map_err(|reason| ConnectError::Kubeconfig { file: request.kubeconfig.clone(), reason })?;
        Self::from_config(config, context, request)
    }

    fn from_config(mut config: kube::Config, context: String, request: &ClusterRequest) -> Result<Self, ConnectError> {
        // kube would retry 429, 503 and 504 up to 15 times behind our time-outs.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let server = config.cluster_url.to_string();
        let namespace = request.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = kube::Client::try_from(config)
            .map_err(|error| ConnectError::Client { server, reason: reason_of(&error) })?;
        let timeout = request.request_timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(Self { client, context, namespace, timeout, clock: Arc::default() })
    }
}

fn unusable(request: &ClusterRequest, error: &KubeconfigError) -> ConnectError {
    let reason = match error {
        KubeconfigError::Parse(error) => kubeconfig::unreadable(error),
        other => reason_of(other),
    };
    ConnectError::Kubeconfig { file: request.kubeconfig.clone(), reason }
}

fn reason_of(error: &dyn std::error::Error) -> String {
    // The outer texts repeat "failed to"; the chain is short and each part adds the file or the cause.
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
