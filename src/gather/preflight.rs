//! Whether the rights allow what is about to be tried in pods: asked once for each namespace, so that what is missing is named
//! with its verb, once, instead of being found out pod by pod.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;

use crate::gather::probe::{Answers, ClientPlan};
use crate::gather::proxies::sample::Sample;
use crate::model::evidence::{FailedLook, Reading, Unseen};
use crate::source::cluster::Cluster;
use crate::source::failure::ROLE;
use crate::source::needs::{EXEC, PORT_FORWARD};
use crate::source::rights::Right;

/// Namespaces that are asked about at the same time.
const AT_ONCE: usize = 8;

/// The rights that are missing, by namespace.
#[derive(Debug, Clone, Default)]
pub struct Preflight {
    lacking: BTreeMap<String, Vec<Right>>,
}

/// Asks for the rights in the namespaces of these pods.
pub async fn run(cluster: &Cluster, plans: &[ClientPlan<'_>], sample: &Sample<'_>) -> Preflight {
    let clients = plans.iter().map(|plan| plan.pod.namespace());
    let proxies = sample.questions.iter().map(|question| question.pod.namespace());
    let namespaces: BTreeSet<&str> = clients.chain(proxies).collect();
    let rights = [EXEC, PORT_FORWARD].concat();
    let asked = namespaces.into_iter().map(|namespace| {
        let rights = &rights;
        async move { (namespace.to_owned(), cluster.lacking(rights, namespace).await) }
    });
    let lacking = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    Preflight { lacking }
}

// === impl Preflight ===

impl Preflight {
    /// Takes the requests away that nobody may make; their readings say what is missing.
    pub fn bar_requests(&self, plans: &mut Vec<ClientPlan<'_>>, answers: &mut Answers) {
        let mut barred: BTreeMap<String, (String, usize)> = BTreeMap::new();
        plans.retain(|plan| {
            let Some(why) = self.closed(plan.pod.namespace(), &EXEC) else { return true };
            let forbidden = || Reading::Unseen(Unseen::Forbidden(why.clone()));
            answers.by_call.extend(plan.calls.iter().map(|call| (call.number, forbidden())));
            barred.entry(plan.pod.namespace().to_owned()).or_insert((why, 0)).1 += 1;
            false
        });
        answers.failed.extend(barred.into_iter().map(|(namespace, (why, pods))| FailedLook {
            tried: format!("run curl in {} of namespace {namespace}", counted(pods, "test client")),
            why,
            next: Some(format!("{ROLE}, or send no requests: --no-probe")),
        }));
    }

    /// Takes the proxies away that nobody may ask in either way.
    #[must_use]
    pub fn bar_proxies(&self, sample: &mut Sample<'_>) -> Vec<FailedLook> {
        let mut barred: BTreeMap<String, (String, usize)> = BTreeMap::new();
        sample.leave_out(|namespace| {
            let [forward, exec] = [&PORT_FORWARD, &EXEC].map(|rights| self.closed(namespace, rights));
            let why = format!("{}; {}", forward?, exec?);
            barred.entry(namespace.to_owned()).or_insert_with(|| (why.clone(), 0)).1 += 1;
            Some(Unseen::Forbidden(why))
        });
        let look = |(namespace, (why, proxies))| FailedLook {
            tried: format!("ask {} of namespace {namespace}", counted(proxies, "proxy")),
            why,
            next: Some(format!("{ROLE}, or leave them out: --no-proxy")),
        };
        barred.into_iter().map(look).collect()
    }

    /// What is missing for a way into the pods of a namespace. Older servers need no `create`, so that alone closes nothing:
    /// the server will say.
    fn closed(&self, namespace: &str, way: &[Right]) -> Option<String> {
        let lacking = self.lacking.get(namespace)?;
        let of_way: Vec<&Right> = way.iter().filter(|right| lacking.contains(right)).collect();
        let verbs: Vec<&str> = of_way.iter().map(|right| right.verb).collect();
        let resource = of_way.iter().find(|right| right.verb == "get").map(|right| right.resource)?;
        Some(format!("no right to {} {resource} in namespace {namespace}", verbs.join(" and ")))
    }
}

fn counted(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "proxy") => format!("{count} proxies"),
        (_, _) => format!("{count} {noun}s"),
    }
}
