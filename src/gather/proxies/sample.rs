//! Which proxies are asked: one Ready pod for each workload, template and revision, or every pod, up to a bound.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::gather::scope::ProxyLooks;
use crate::model::evidence::Unseen;
use crate::model::pair::{PairIntent, ServerRef};
use crate::model::snapshot::Snapshot;
use crate::model::workload::{Pod, ProxyKind};

/// The proxies that are asked, and those that are not.
#[derive(Debug, Default)]
pub struct Sample<'s> {
    /// One for each proxy that is asked.
    pub questions: Vec<Question<'s>>,
    left_out: Vec<(&'s Pod, Unseen)>,
    barred: Vec<(String, String, Unseen)>,
}

/// What one proxy is asked for.
#[derive(Debug)]
pub struct Question<'s> {
    /// Its pod.
    pub pod: &'s Pod,
    /// Other pods that its answer stands for.
    pub stands_for: Vec<String>,
    /// Service ports that the workload calls.
    pub calls: BTreeSet<ServerRef>,
    /// Whether it is a server of some pair.
    pub serves: bool,
}

/// What a pod is needed for.
#[derive(Debug, Default)]
struct Need {
    calls: BTreeSet<ServerRef>,
    serves: bool,
}

/// Pods whose proxies are told the same: the ReplicaSet's or the revision's hash stands for the template.
type Kin<'s> = (&'s str, &'s str, &'s str, Option<&'s str>, Option<&'s str>, &'s str);

// === impl Sample ===

impl<'s> Sample<'s> {
    /// Picks the proxies for these pairs.
    #[must_use]
    pub fn of<'p>(
        pairs: impl Iterator<Item = (&'s Pod, &'p ServerRef, &'p PairIntent)>,
        snapshot: &'s Snapshot,
        looks: ProxyLooks,
    ) -> Self {
        if looks.most == 0 {
            return Self::default();
        }
        let pods = needed(pairs, snapshot);
        let mut kin: BTreeMap<Kin<'s>, Vec<(&'s Pod, Need)>> = BTreeMap::new();
        for (pod, need) in pods {
            kin.entry(key(pod, looks.all_pods)).or_default().push((pod, need));
        }
        let mut sample = Self::default();
        for members in kin.into_values() {
            sample.take(members);
        }
        // Every pair of a server needs that server's proxy, and one client's proxy serves its own pairs alone.
        sample.questions.sort_by_key(|question| !question.serves);
        for question in sample.questions.split_off(looks.most.min(sample.questions.len())) {
            sample.left_out.push((question.pod, Unseen::Budget));
            let others = question.stands_for.iter().filter_map(|name| {
                let of = |pod: &&Pod| pod.namespace() == question.pod.namespace() && pod.meta.name == *name;
                snapshot.pods.iter().find(of)
            });
            sample.left_out.extend(others.map(|pod| (pod, Unseen::Budget)));
        }
        sample
    }

    fn take(&mut self, members: Vec<(&'s Pod, Need)>) {
        let (mut ready, idle): (Vec<_>, Vec<_>) = members.into_iter().partition(|(pod, _)| pod.ready);
        if ready.is_empty() {
            self.left_out.extend(idle.into_iter().map(|(pod, _)| (pod, Unseen::PodNotReady)));
            return;
        }
        let (pod, mut need) = ready.remove(0);
        let mut stands_for = Vec::new();
        for (other, more) in ready.into_iter().chain(idle) {
            stands_for.push(other.meta.name.clone());
            need.calls.extend(more.calls);
            need.serves |= more.serves;
        }
        self.questions.push(Question { pod, stands_for, calls: need.calls, serves: need.serves });
    }

    /// Leaves out the proxies of namespaces where they cannot be asked.
    pub fn leave_out(&mut self, mut why: impl FnMut(&str) -> Option<Unseen>) {
        self.questions.retain(|question| {
            let Some(why) = why(question.pod.namespace()) else { return true };
            self.barred
                .extend(question.pods().map(|pod| (question.pod.meta.namespace.clone(), pod.to_owned(), why.clone())));
            false
        });
    }

    /// Namespace and pod of each that is not asked, and why.
    #[must_use]
    pub fn unseen(&self) -> Vec<(String, String, Unseen)> {
        let named = |(pod, why): &(&Pod, Unseen)| (pod.meta.namespace.clone(), pod.meta.name.clone(), why.clone());
        self.left_out.iter().map(named).chain(self.barred.iter().cloned()).collect()
    }
}

// === impl Question ===

impl Question<'_> {
    /// Every pod that it is about.
    pub fn pods(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.pod.meta.name.as_str()).chain(self.stands_for.iter().map(String::as_str))
    }
}

/// Pods with a sidecar at either end of a pair, in byte order of their names.
fn needed<'s, 'p>(
    pairs: impl Iterator<Item = (&'s Pod, &'p ServerRef, &'p PairIntent)>,
    snapshot: &'s Snapshot,
) -> Vec<(&'s Pod, Need)> {
    let by_name: HashMap<(&str, &str), &'s Pod> =
        snapshot.pods.iter().map(|pod| ((pod.namespace(), pod.meta.name.as_str()), pod)).collect();
    let mut needs: BTreeMap<(&'s str, &'s str), Need> = BTreeMap::new();
    let key = |pod: &'s Pod| (pod.namespace(), pod.meta.name.as_str());
    for (client, server, intent) in pairs {
        if client.proxy == ProxyKind::Sidecar {
            needs.entry(key(client)).or_default().calls.insert(server.clone());
        }
        for endpoint in intent.endpoints.iter().filter(|endpoint| !endpoint.is_self) {
            let named = endpoint.pod.as_deref().and_then(|pod| by_name.get(&(endpoint.namespace.as_str(), pod)));
            if let Some(pod) = named.filter(|pod| pod.proxy == ProxyKind::Sidecar) {
                needs.entry(key(pod)).or_default().serves = true;
            }
        }
    }
    needs.into_iter().filter_map(|(name, need)| Some((*by_name.get(&name)?, need))).collect()
}

fn key(pod: &Pod, all_pods: bool) -> Kin<'_> {
    let label = |name: &str| pod.meta.label(name);
    let template = label("pod-template-hash").or_else(|| label("controller-revision-hash"));
    // A bare pod is its own workload.
    let own = if all_pods { pod.meta.name.as_str() } else { "" };
    (pod.namespace(), &pod.workload.kind, &pod.workload.name, template, pod.revision.as_deref(), own)
}
