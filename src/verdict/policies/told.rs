//! A finding about an object, and which pairs it concerns, said without looking at any.

use std::collections::{BTreeSet, HashMap};

use crate::model::derivation::PolicyRef;
use crate::model::workload::Pod;
use crate::verdict::finding::{Code, Fault};
use crate::verdict::report::{Finding, Pair};

/// Something wrong with an object.
#[derive(Debug, Clone)]
pub(super) struct Told<'s> {
    pub(super) fault: Fault,
    /// The object that causes it.
    pub(super) object: PolicyRef,
    /// Others that play a part.
    pub(super) others: Vec<PolicyRef>,
    pub(super) title: String,
    pub(super) about: About<'s>,
}

/// Which pairs a finding concerns.
#[derive(Debug, Clone)]
pub(super) enum About<'s> {
    /// None that exists.
    Nobody,
    /// Pairs whose servers live in a namespace.
    Namespace(&'s str),
    /// All.
    Mesh,
    /// Pairs that these pods serve.
    Pods(Vec<&'s Pod>),
    /// Pairs to these hosts' services, by namespace and the report's name.
    Services(BTreeSet<(&'s str, String)>),
    /// Pairs that these pods call.
    Clients(Vec<&'s Pod>),
}

/// Every finding about a policy, and an index that tells which of them concern a pair.
#[derive(Debug, Default)]
pub struct Survey<'s> {
    told: Vec<Told<'s>>,
    by_pod: HashMap<(&'s str, &'s str), Vec<usize>>,
    by_client: HashMap<(&'s str, &'s str), Vec<usize>>,
    by_namespace: HashMap<&'s str, Vec<usize>>,
    by_service: HashMap<(&'s str, String), Vec<usize>>,
    everywhere: Vec<usize>,
}

// === impl Told ===

impl Told<'_> {
    /// `MTLS201/foo/default`; with the kind where the code is about several kinds.
    pub(super) fn id(&self) -> String {
        let (namespace, name) = (self.object.namespace.as_deref(), self.object.name.as_deref());
        let place = format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default());
        let code = Code::Policy(self.fault).code();
        match self.fault {
            Fault::SelectsNothing | Fault::FieldLost => format!("{code}/{}/{place}", self.object.kind.short()),
            _ => format!("{code}/{place}"),
        }
    }
}

// === impl Survey ===

impl<'s> Survey<'s> {
    pub(super) fn new(told: Vec<Told<'s>>) -> Self {
        let mut survey = Self::default();
        for (number, told) in told.iter().enumerate() {
            survey.index(number, &told.about);
        }
        Self { told, ..survey }
    }

    fn index(&mut self, number: usize, about: &About<'s>) {
        let key = |pod: &&'s Pod| (pod.meta.namespace.as_str(), pod.meta.name.as_str());
        match about {
            About::Nobody => {}
            About::Mesh => self.everywhere.push(number),
            About::Namespace(namespace) => self.by_namespace.entry(namespace).or_default().push(number),
            About::Pods(pods) => {
                for pod in pods {
                    self.by_pod.entry(key(pod)).or_default().push(number);
                }
            }
            About::Clients(pods) => {
                for pod in pods {
                    self.by_client.entry(key(pod)).or_default().push(number);
                }
            }
            About::Services(services) => {
                for of in services {
                    self.by_service.entry(of.clone()).or_default().push(number);
                }
            }
        }
    }

    /// How many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The numbers of the findings that concern a pair; pairs that share an answer and a client's namespace share these.
    #[must_use]
    pub fn concerned(&self, pair: &Pair) -> BTreeSet<usize> {
        if self.is_empty() {
            return BTreeSet::new();
        }
        let behind = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self).filter_map(|endpoint| {
            let pod = endpoint.pod.as_deref()?;
            self.by_pod.get(&(endpoint.namespace.as_str(), pod))
        });
        let server = &pair.server;
        let name = server.service.as_ref().or(server.host.as_ref()).cloned().unwrap_or_default();
        let here = self.by_namespace.get(server.namespace.as_str());
        let called = self.by_service.get(&(server.namespace.as_str(), name));
        let calling = self.by_client.get(&(pair.client.namespace.as_str(), pair.client.pod.as_str()));
        behind.chain(here).chain(called).chain(calling).flatten().chain(&self.everywhere).copied().collect()
    }

    /// The findings; `pairs` are the ids of those that each concerns, by number.
    ///
    /// `namespaces` are those that were asked about, `None` for all: a finding without pairs is told where its object
    /// lives in one of them.
    #[must_use]
    pub fn findings(self, pairs: Vec<Vec<String>>, namespaces: Option<&BTreeSet<String>>) -> Vec<Finding> {
        let asked = |told: &Told<'_>| {
            let of = told.object.namespace.as_ref();
            namespaces.is_none_or(|asked| of.is_some_and(|of| asked.contains(of)))
        };
        let found = self.told.into_iter().zip(pairs);
        found.filter(|(told, pairs)| !pairs.is_empty() || asked(told)).map(|(told, ids)| finding(told, ids)).collect()
    }
}

fn finding(told: Told<'_>, pairs: Vec<String>) -> Finding {
    let code = Code::Policy(told.fault);
    Finding {
        id: told.id(),
        code: code.code(),
        severity: code.severity(),
        title: told.title,
        pairs,
        objects: std::iter::once(told.object).chain(told.others).collect(),
        fixes: Vec::new(),
    }
}
