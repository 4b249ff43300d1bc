//! What a container printed lately, as far as a bound.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use kube::api::LogParams;
use kube::core::Request;

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

impl Cluster {
    /// The log of a container since a while ago, at most so many bytes of it from its beginning.
    ///
    /// # Errors
    /// A [`Failure`] when there is no such pod, no right to read its log, or nobody reachable.
    pub async fn log(
        &self,
        (namespace, pod, container): (&str, &str, &str),
        since: Duration,
        most: u32,
    ) -> Result<String, Failure> {
        let tried = format!("read the log of {namespace}/{pod} (container {container})");
        // Whole seconds, and none is all that there is.
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
        let params = LogParams {
            container: Some(container.to_owned()),
            since_seconds: Some(seconds),
            limit_bytes: Some(i64::from(most)),
            ..LogParams::default()
        };
        let request = Request::new(Pod::url_path(&(), Some(namespace)))
            .logs(pod, &params)
            .map_err(|error| Failure { tried: tried.clone(), reason: Reason::Unreadable(error.to_string()) })?;
        match tokio::time::timeout(self.timeout, self.client.request_text(request)).await {
            Ok(answered) => answered.map_err(|error| Failure::of(tried, &error)),
            Err(_) => Err(Failure { tried, reason: Reason::TimedOut(self.timeout) }),
        }
    }
}
