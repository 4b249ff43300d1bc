//! Requests from test clients to echo servers: one exec per client pod, whatever the number of servers; by wget, one for each request.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};

use futures_util::StreamExt as _;

use crate::gather::wget;
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
    while let Some(One { outcome: (readings, failed), added, more_execs }) = ends.next().await {
        answers.by_call.extend(readings);
        answers.failed.extend(failed);
        answers.execs += more_execs;
        answers.added.extend(added);
    }
    answers.failed.sort_by(|a, b| a.tried.cmp(&b.tried));
    answers.added.sort();
    answers
}

/// By the caller's numbers.
pub(super) type Readings = Vec<(usize, Reading<Transfer>)>;
type Outcome = (Readings, Option<FailedLook>);

/// What came of a plan.
struct One {
    outcome: Outcome,
    /// The container that was added for it.
    added: Option<Added>,
    /// How many execs it took beside the first.
    more_execs: usize,
}

async fn one(cluster: &Cluster, plan: &ClientPlan<'_>, manner: Manner<'_>) -> One {
    let questions = plan.calls.iter().map(|call| Question::new(url(call))).collect();
    let script = Script::new(nonce(), questions, manner.patience);
    let ran = sent(cluster, plan.pod, plan.container, &script).await;
    match (ran, manner.debug_image) {
        (Ok(Ran { end: End::NoSuchProgram(_), .. }), Some(image)) => from_another(cluster, plan, &script, image).await,
        (Ok(Ran { end: End::NoSuchProgram(text), .. }), None) => by_wget(cluster, plan, manner.patience, text).await,
        (ran, _) => One { outcome: outcome((plan, plan.container), &script, ran), added: None, more_execs: 0 },
    }
}

/// From a container of this image, which is added to the pod where none is there.
async fn from_another(cluster: &Cluster, plan: &ClientPlan<'_>, script: &Script, image: &str) -> One {
    let (namespace, pod) = (plan.pod.namespace(), plan.pod.meta.name.as_str());
    match cluster.debug_container(namespace, pod, image).await {
        Err(failure) => {
            One { outcome: outcome((plan, plan.container), script, Err(failure)), added: None, more_execs: 0 }
        }
        Ok(DebugContainer { name, is_new }) => {
            let ran = sent(cluster, plan.pod, &name, script).await;
            let outcome = outcome((plan, &name), script, ran);
            let [namespace, pod, image] = [namespace, pod, image].map(str::to_owned);
            let added = is_new.then_some(Added { namespace, pod, container: name, image });
            One { outcome, added, more_execs: 1 }
        }
    }
}

/// Without curl, whose absence the runtime told in these words.
async fn by_wget(cluster: &Cluster, plan: &ClientPlan<'_>, patience: Patience, text: String) -> One {
    match wget::of(cluster, plan).await {
        Err(has) => One { outcome: without((plan, plan.container), has, text), added: None, more_execs: 1 },
        Ok(wget) => {
            let readings = wget::send(cluster, plan, wget, patience).await;
            let more_execs = 1 + readings.len();
            let look = inconclusive(plan, &readings);
            One { outcome: (readings, look), added: None, more_execs }
        }
    }
}

/// Where wget told too little.
fn inconclusive(plan: &ClientPlan<'_>, readings: &Readings) -> Option<FailedLook> {
    let unseen = readings.iter().filter_map(|(_, reading)| match reading {
        Reading::Unseen(why) => why.detail(),
        Reading::Seen(_) => None,
    });
    let (count, first) = (unseen.clone().count(), unseen.into_iter().next()?);
    Some(FailedLook {
        tried: format!("conclude from wget in {}", place(plan, plan.container)),
        why: format!("{count} of {} answers: {first}", readings.len()),
        next: Some(WITH_CURL.to_owned()),
    })
}

/// What a run in a container of the client comes to.
fn outcome((plan, container): (&ClientPlan<'_>, &str), script: &Script, ran: Result<Ran, Failure>) -> Outcome {
    match ran {
        Err(failure) => {
            let why = match &failure.reason {
                Reason::Forbidden(text) => Unseen::Forbidden(text.clone()),
                Reason::TimedOut(bound) => Unseen::TimedOut(format!("no answer within {bound:?}")),
                other => Unseen::Failed(other.to_string()),
            };
            (all(plan, &why), Some(failure.look()))
        }
        Ok(Ran { end: End::NoSuchProgram(text), .. }) => without((plan, container), "no curl", text),
        Ok(ran) => answered((plan, container), script, &ran),
    }
}

/// What a container that `has` nothing to send requests with comes to.
fn without((plan, container): (&ClientPlan<'_>, &str), has: &str, text: String) -> Outcome {
    let look = failed((plan, container), format!("the container has {has}: {text}"), WITH_CURL);
    (all(plan, &Unseen::NoCurl(text)), Some(look))
}

fn all(plan: &ClientPlan<'_>, why: &Unseen) -> Readings {
    plan.calls.iter().map(|call| (call.number, Reading::Unseen(why.clone()))).collect()
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
    FailedLook { tried: format!("run curl in {}", place(plan, container)), why, next: Some(next.to_owned()) }
}

fn place(plan: &ClientPlan<'_>, container: &str) -> String {
    format!("{}/{} (container {container})", plan.pod.namespace(), plan.pod.meta.name)
}

/// The Service's name and namespace, as people call it from a pod; a path that echoes, or one that no application has.
pub(super) fn url(call: &Call) -> String {
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
