//! Requests from test clients to echo servers: one exec per client pod, whatever the number of servers.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};

use futures_util::StreamExt as _;

use crate::model::evidence::{Added, FailedLook, Reading, Transfer, Unseen};
use crate::model::pair::ServerRef;
use crate::model::workload::Pod;
use crate::observed::probe::{ARGV, Patience, Question, Script};
use crate::source::cluster::Cluster;
use crate::source::debug_container::DebugContainer;
use crate::source::exec::{Command, End, Ran};
use crate::source::failure::{Failure, Reason};

/// The requests of one client pod.
#[derive(Debug)]
pub struct ClientPlan<'s> {
    /// The pod that sends them.
    pub pod: &'s Pod,
    /// Its container.
    pub container: &'s str,
    /// What it calls, in order.
    pub calls: Vec<Call>,
}

/// A call of a plan.
#[derive(Debug)]
pub struct Call {
    /// The caller's own number of it.
    pub number: usize,
    /// What is called.
    pub server: ServerRef,
    /// Whether it sends back the headers it receives.
    pub echo: bool,
}

/// What was answered, by the caller's numbers, and what could not be looked at.
#[derive(Debug, Default)]
pub struct Answers {
    /// One reading per call.
    pub by_call: HashMap<usize, Reading<Transfer>>,
    /// Execs that failed.
    pub failed: Vec<FailedLook>,
    /// How many execs were made.
    pub execs: usize,
    /// Containers that were added to pods for them.
    pub added: Vec<Added>,
}

/// How requests are sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'m> {
    /// How long to wait.
    pub patience: Patience,
    /// The image of a container that is added to pods whose own have no curl; `None` = none is.
    pub debug_image: Option<&'m str>,
}

/// Where the image of a client has no curl.
const WITH_CURL: &str =
    "name a client with curl (--from app=sleep), or a container to add to its pod, where it stays: --debug-image";
/// Pods that run curl at the same time.
const AT_ONCE: usize = 8;

/// Whether a pod exists to send test requests: label `app` is `sleep` or `curl`.
#[must_use]
pub fn is_test_client(pod: &Pod) -> bool {
    matches!(pod.meta.label("app"), Some("sleep" | "curl"))
}

/// Whether a pod exists to be called by tests and echoes what it receives: label `app` is `httpbin`.
#[must_use]
pub fn is_echo_server(pod: &Pod) -> bool {
    pod.meta.label("app") == Some("httpbin")
}

/// Runs all plans, a few pods at a time.
pub async fn run(cluster: &Cluster, plans: &[ClientPlan<'_>], manner: Manner<'_>) -> Answers {
    let mut answers = Answers { execs: plans.len(), ..Answers::default() };
    let mut ends =
        futures_util::stream::iter(plans.iter().map(|plan| one(cluster, plan, manner))).buffer_unordered(AT_ONCE);
    while let Some(((readings, failed), added)) = ends.next().await {
        answers.by_call.extend(readings);
        answers.failed.extend(failed);
        answers.execs += usize::from(added.is_some());
        answers.added.extend(added.into_iter().filter_map(|(added, is_new)| is_new.then_some(added)));
    }
    answers.failed.sort_by(|a, b| a.tried.cmp(&b.tried));
    answers.added.sort();
    answers
}

type Readings = Vec<(usize, Reading<Transfer>)>;
type Outcome = (Readings, Option<FailedLook>);

/// What came of a plan, and the container that was taken in place of the pod's own: whether it was added for that.
async fn one(cluster: &Cluster, plan: &ClientPlan<'_>, manner: Manner<'_>) -> (Outcome, Option<(Added, bool)>) {
    let questions = plan.calls.iter().map(|call| Question::new(url(call))).collect();
    let script = Script::new(nonce(), questions, manner.patience);
    let ran = sent(cluster, plan.pod, plan.container, &script).await;
    let (Some(image), Ok(Ran { end: End::NoSuchProgram(_), .. })) = (manner.debug_image, &ran) else {
        return (outcome((plan, plan.container), &script, ran), None);
    };
    let (namespace, pod) = (plan.pod.namespace(), plan.pod.meta.name.as_str());
    match cluster.debug_container(namespace, pod, image).await {
        Err(failure) => (outcome((plan, plan.container), &script, Err(failure)), None),
        Ok(DebugContainer { name, is_new }) => {
            let ran = sent(cluster, plan.pod, &name, &script).await;
            let outcome = outcome((plan, &name), &script, ran);
            let [namespace, pod, image] = [namespace, pod, image].map(str::to_owned);
            (outcome, Some((Added { namespace, pod, container: name, image }, is_new)))
        }
    }
}

/// What a run in a container of the client comes to.
fn outcome((plan, container): (&ClientPlan<'_>, &str), script: &Script, ran: Result<Ran, Failure>) -> Outcome {
    let all = |why: &Unseen| plan.calls.iter().map(|call| (call.number, Reading::Unseen(why.clone()))).collect();
    match ran {
        Err(failure) => {
            let why = match &failure.reason {
                Reason::Forbidden(text) => Unseen::Forbidden(text.clone()),
                Reason::TimedOut(bound) => Unseen::TimedOut(format!("no answer within {bound:?}")),
                other => Unseen::Failed(other.to_string()),
            };
            (all(&why), Some(failure.look()))
        }
        Ok(Ran { end: End::NoSuchProgram(text), .. }) => {
            let look = failed((plan, container), format!("the container has no curl: {text}"), WITH_CURL);
            (all(&Unseen::NoCurl(text)), Some(look))
        }
        Ok(ran) => answered((plan, container), script, &ran),
    }
}

fn answered((plan, container): (&ClientPlan<'_>, &str), script: &Script, ran: &Ran) -> Outcome {
    let how = how(ran);
    let mut missing = 0;
    let readings = script
        .answers(&ran.stdout, &ran.stderr, &how)
        .into_iter()
        .zip(&plan.calls)
        .map(|(answer, call)| match answer {
            Ok(transfer) => (call.number, Reading::Seen(transfer)),
            Err(why) => {
                missing += 1;
                (call.number, Reading::Unseen(why))
            }
        })
        .collect();
    let look = (missing > 0).then(|| {
        let text = format!("{missing} of {} requests have no answer: {how}", plan.calls.len());
        failed((plan, container), text, "try again, or look at the container")
    });
    (readings, look)
}

/// Runs a script in a container.
pub(super) async fn sent(cluster: &Cluster, pod: &Pod, container: &str, script: &Script) -> Result<Ran, Failure> {
    let stdin = script.stdin();
    let (namespace, pod) = (pod.namespace(), pod.meta.name.as_str());
    let command = Command { namespace, pod, container, argv: &ARGV, stdin: &stdin, timeout: script.bound() };
    cluster.exec(&command).await
}

/// How a run ended, for those of its requests that have no answer.
pub(super) fn how(ran: &Ran) -> String {
    match &ran.end {
        End::Exited(code) => format!("it exited with {code}{}", first_line(&ran.stderr)),
        End::Broken(text) | End::NoSuchProgram(text) => text.clone(),
        End::TimedOut(bound) => format!("it was still running after {bound:?}"),
    }
}

fn first_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines().next().map(|line| format!(": {line}")).unwrap_or_default()
}

fn failed((plan, container): (&ClientPlan<'_>, &str), why: String, next: &str) -> FailedLook {
    let pod = plan.pod;
    FailedLook {
        tried: format!("run curl in {}/{} (container {container})", pod.namespace(), pod.meta.name),
        why,
        next: Some(next.to_owned()),
    }
}

/// The Service's name and namespace, as people call it from a pod; a path that echoes, or one that no application has.
fn url(call: &Call) -> String {
    let path = if call.echo { "headers" } else { ".well-known/kubectl-mtls" };
    format!("http://{}/{path}", host(&call.server))
}

/// The host that a request names.
pub(super) fn host(server: &ServerRef) -> String {
    if server.entry {
        format!("{}:{}", server.service, server.port)
    } else {
        format!("{}.{}:{}", server.service, server.namespace, server.port)
    }
}

/// A number that no server can guess: the standard library's hash keys are random for each process.
pub(super) fn nonce() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
