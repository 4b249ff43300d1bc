//! What the proxies of both ends were told: one proxy stands for its workload, few are asked at a time, each once for all
//! its pairs.

use futures_util::StreamExt as _;

use crate::gather::progress::Progress;
use crate::gather::proxies::questions::Asked;
use crate::gather::proxies::sample::{Question, Sample};
use crate::gather::scope::ProxyLooks;
use crate::model::evidence::{FailedLook, Unseen};
use crate::model::proxy_answers::{Answer, ProxyAnswers};
use crate::model::snapshot::Snapshot;
use crate::programmed::Proxies;
use crate::programmed::proxy::Wanted;
use crate::source::cluster::Cluster;
use crate::source::envoy_admin::{At, Body, EnvoyAdmin, Patience, Unanswered};
use crate::source::failure::ROLE;

pub(super) use questions::encoded;

pub mod questions;
pub mod sample;

/// Proxies that are asked at the same time.
const AT_ONCE: usize = 4;
/// What a whole dump may come to, in bytes: larger than any proxy's that was heard of.
const WHOLE: usize = 512 * 1024 * 1024;

/// What the proxies answered, and what could not be looked at.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Raw, in the order of the pods' names.
    pub answers: Vec<ProxyAnswers>,
    /// Proxies that were not asked, or did not answer: namespace, pod, and why.
    pub unseen: Vec<(String, String, Unseen)>,
    /// Looks that failed.
    pub failed: Vec<FailedLook>,
    /// Whether a pod was not there any more.
    pub gone: bool,
}

/// Asks the proxies of a sample.
pub async fn run(
    cluster: &Cluster,
    sample: &Sample<'_>,
    snapshot: &Snapshot,
    looks: ProxyLooks,
    progress: &Progress,
) -> Looked {
    let admin = EnvoyAdmin::new(cluster, patience(looks));
    let mut looked = Looked { unseen: sample.unseen(), ..Looked::default() };
    let mut refusals = Vec::new();
    let mut done = 0;
    let asked = sample.questions.iter().map(|question| one((cluster, &admin), question, snapshot, looks));
    let mut ends = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
    while let Some((question, answered)) = ends.next().await {
        done += 1;
        progress.say(format!("asking the proxies: {done} of {}", sample.questions.len()));
        match answered {
            Ok(answers) => looked.answers.push(answers),
            Err(why) => {
                looked.gone |= matches!(why, Unanswered::Gone(_));
                let namespace = question.pod.namespace();
                looked.unseen.extend(question.pods().map(|pod| (namespace.to_owned(), pod.to_owned(), unseen(&why))));
                refusals.push((format!("{namespace}/{}", question.pod.meta.name), why));
            }
        }
    }
    looked.answers.sort_by(|a, b| (&a.namespace, &a.pod).cmp(&(&b.namespace, &b.pod)));
    looked.failed = failed(refusals);
    looked
}

fn patience(looks: ProxyLooks) -> Patience {
    if looks.whole {
        return Patience { largest: WHOLE, each: std::time::Duration::from_mins(1), ..Patience::default() };
    }
    Patience::default()
}

type Answered<'q, 's> = (&'q Question<'s>, Result<ProxyAnswers, Unanswered>);

async fn one<'q, 's>(
    (cluster, admin): (&Cluster, &EnvoyAdmin<'_>),
    question: &'q Question<'s>,
    snapshot: &Snapshot,
    looks: ProxyLooks,
) -> Answered<'q, 's> {
    let pod = question.pod;
    let at = At { namespace: pod.namespace(), pod: &pod.meta.name };
    let first = if looks.whole { questions::whole() } else { questions::first(question, snapshot) };
    let read_at = cluster.now();
    let mut answers = match ask(admin, at, first).await {
        Ok(answers) => answers,
        Err(why) => return (question, Err(why)),
    };
    let second = if looks.whole { Vec::new() } else { questions::second(question, &answers) };
    if !second.is_empty() {
        // What the second look does not give is missing, not wrong: the first one counts.
        answers.extend(ask(admin, at, second).await.unwrap_or_default());
    }
    let told = ProxyAnswers {
        namespace: pod.meta.namespace.clone(),
        pod: pod.meta.name.clone(),
        stands_for: question.stands_for.clone(),
        read_at: Some(read_at),
        answers,
    };
    (question, Ok(told))
}

/// Bodies with what they answer; an answer that is needed and does not come is the proxy's failure.
async fn ask(admin: &EnvoyAdmin<'_>, at: At<'_>, asked: Vec<Asked>) -> Result<Vec<Answer>, Unanswered> {
    let paths: Vec<String> = asked.iter().map(|asked| asked.path.clone()).collect();
    let bodies: Vec<Body> = admin.ask(at, &paths).await?;
    let mut answers = Vec::with_capacity(bodies.len());
    for (asked, body) in asked.into_iter().zip(bodies) {
        let body = match body {
            Ok(body) => body,
            // The endpoint's own words are an answer too: who reads it names them.
            Err(Unanswered::Refused { text, .. }) => text.into_bytes(),
            Err(_) if !asked.needed => continue,
            Err(why) => return Err(why),
        };
        answers.push(Answer { endpoint: asked.endpoint, query: asked.path, body });
    }
    Ok(answers)
}

pub(super) fn unseen(why: &Unanswered) -> Unseen {
    match why {
        Unanswered::Forbidden(text) => Unseen::Forbidden(text.clone()),
        Unanswered::TimedOut(_) => Unseen::TimedOut(why.to_string()),
        Unanswered::Gone(_) | Unanswered::TooLarge { .. } | Unanswered::Refused { .. } | Unanswered::Failed(_) => {
            Unseen::Failed(why.to_string())
        }
    }
}

/// One entry for all proxies that the rights keep closed, one for each other failure.
fn failed(mut refusals: Vec<(String, Unanswered)>) -> Vec<FailedLook> {
    refusals.sort_by(|a, b| a.0.cmp(&b.0));
    let (forbidden, other): (Vec<_>, Vec<_>) =
        refusals.into_iter().partition(|(_, why)| matches!(why, Unanswered::Forbidden(_)));
    let closed = forbidden.first().map(|(pod, why)| FailedLook {
        tried: match forbidden.len() {
            1 => format!("ask the proxy of {pod}"),
            more => format!("ask {more} proxies, the first that of {pod}"),
        },
        why: why.to_string(),
        next: Some(format!("{ROLE}, pods/portforward or pods/exec; or leave them out: --no-proxy")),
    });
    let other = other.into_iter().map(|(pod, why)| FailedLook {
        tried: format!("ask the proxy of {pod}"),
        next: match &why {
            Unanswered::TooLarge { .. } => Some("--full-dump reads whatever it sends".to_owned()),
            Unanswered::TimedOut(_) => Some("try again, or leave the proxies out: --no-proxy".to_owned()),
            Unanswered::Forbidden(_) | Unanswered::Gone(_) | Unanswered::Refused { .. } | Unanswered::Failed(_) => None,
        },
        why: why.to_string(),
    });
    closed.into_iter().chain(other).collect()
}

/// Reads the answers; pods without any keep the reason.
#[must_use]
pub fn read(looked: &Looked, wanted: &Wanted) -> Proxies {
    let mut proxies = Proxies::default();
    read_into(&mut proxies, looked, wanted);
    proxies
}

/// The same over what was read before.
pub fn read_into(proxies: &mut Proxies, looked: &Looked, wanted: &Wanted) {
    let all = Wanted::all();
    for answers in &looked.answers {
        // Queries asked for what is wanted; only a whole dump has more.
        let whole = answers.answers.iter().any(|answer| !answer.query.contains("resource="));
        proxies.read(answers, if whole { wanted } else { &all });
    }
    for (namespace, pod, why) in &looked.unseen {
        proxies.unseen(namespace, pod, why.clone());
    }
}
