//! A container of another image in a pod that runs, for pods whose own containers have no curl.
//!
//! Kubernetes: `pods/NAME/ephemeralcontainers`, `pkg/apis/core/validation/validation.go:ValidatePodEphemeralContainersUpdate`. It has the
//! pod's network, so that what is sent from it is captured as what the application sends. No pod ever loses one again.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

/// An ephemeral container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugContainer {
    /// Its name.
    pub name: String,
    /// Whether it was added now; else an earlier run left it.
    pub is_new: bool,
}

/// How one of a pod's ephemeral containers fares.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Running,
    /// With the reason and the message, as far as there are any.
    Waiting(String, String),
    Ended(String),
    /// The kubelet has not spoken of it yet.
    Unknown,
}

/// Begins the name of each.
const PREFIX: &str = "kubectl-mtls-";
/// For an image to be pulled and its container to start.
const START: Duration = Duration::from_mins(1);
/// Between two looks at the pod: watching it would need a right more.
const LOOK: Duration = Duration::from_millis(300);
/// Seconds after which the container ends by itself: a day.
const LASTS: &str = "86400";
/// What a kubelet that cannot start a container gives as reason (`pkg/kubelet/images/types.go`, `kuberuntime_container.go`).
const HOPELESS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

impl Cluster {
    /// A running ephemeral container of this image in a pod: one that an earlier run added, or else a new one.
    ///
    /// # Errors
    /// A [`Failure`] when the pod cannot be read or changed, or the container does not start within a minute.
    pub async fn debug_container(&self, namespace: &str, pod: &str, image: &str) -> Result<DebugContainer, Failure> {
        let tried = format!("read pod {namespace}/{pod}, to add a container of image {image}");
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let before = self.pod(&path, &tried).await?;
        if let Some(name) = left_by_an_earlier_run(&before, image) {
            return Ok(DebugContainer { name, is_new: false });
        }
        let name = free_name(&before);
        let tried = format!("add container {name} of image {image} to pod {namespace}/{pod}, where it stays");
        let container = json!({ "name": name, "image": image, "command": ["sleep", LASTS] });
        let addition = json!({ "spec": { "ephemeralContainers": [container] } });
        let part = format!("{path}/ephemeralcontainers");
        self.ask(Method::PATCH, &part, addition.to_string().into_bytes(), &tried).await?;
        let started = tokio::time::timeout(START, self.started(&path, &name, &tried)).await;
        started.unwrap_or(Err(Failure { tried, reason: Reason::TimedOut(START) }))?;
        Ok(DebugContainer { name, is_new: true })
    }

    /// Looks at the pod until a container of it runs, or never will.
    async fn started(&self, path: &str, name: &str, tried: &str) -> Result<(), Failure> {
        let never = |why| Err(Failure { tried: tried.to_owned(), reason: Reason::NotStarted(why) });
        loop {
            match state(&self.pod(path, tried).await?, name) {
                State::Running => return Ok(()),
                State::Ended(why) => return never(format!("it ended at once: {why}")),
                State::Waiting(reason, message) if HOPELESS.contains(&reason.as_str()) => {
                    return never(format!("{reason}: {message}"));
                }
                State::Waiting(..) | State::Unknown => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn pod(&self, path: &str, tried: &str) -> Result<Value, Failure> {
        let bytes = self.ask(Method::GET, path, Vec::new(), tried).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure { tried: tried.to_owned(), reason: Reason::Unreadable(error.to_string()) })
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|one| Some((one.get("name")?.as_str()?, one.get("image")?.as_str()?)))
}

fn left_by_an_earlier_run(pod: &Value, image: &str) -> Option<String> {
    let ours = |(name, of): &(&str, &str)| name.starts_with(PREFIX) && *of == image;
    let runs = |(name, _): &(&str, &str)| state(pod, name) == State::Running;
    containers(pod).filter(ours).find(runs).map(|(name, _)| name.to_owned())
}

fn free_name(pod: &Value) -> String {
    let taken = |name: &String| containers(pod).any(|(known, _)| known == name);
    let mut names = (1..).map(|number: u32| format!("{PREFIX}{number}"));
    names.find(|name| !taken(name)).unwrap_or_default()
}

fn state(pod: &Value, name: &str) -> State {
    let mut all = pod.pointer("/status/ephemeralContainerStatuses").and_then(Value::as_array).into_iter().flatten();
    let status = all.find(|status| status.get("name").and_then(Value::as_str) == Some(name));
    let Some(state) = status.and_then(|status| status.get("state")) else { return State::Unknown };
    let text = |of: &str, field: &str| {
        state.get(of).and_then(|of| of.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if state.get("running").is_some() {
        State::Running
    } else if state.get("terminated").is_some() {
        State::Ended([text("terminated", "reason"), text("terminated", "message")].join(" ").trim().to_owned())
    } else if state.get("waiting").is_some() {
        State::Waiting(text("waiting", "reason"), text("waiting", "message"))
    } else {
        State::Unknown
    }
}
