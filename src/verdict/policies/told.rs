//! A finding about an object, and which pairs it concerns, said without looking at any.

use std::collections::{BTreeSet, HashMap};

use crate::model::derivation::PolicyRef;
use crate::model::workload::Pod;
use crate::verdict::concerned::Concerned;
use crate::verdict::finding::{Code, Fault};
use crate::verdict::report::{Finding, Pair, ServerView};

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
pub(super) struct Survey<'s> {
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

    /// The id of a finding.
    pub(super) fn id(&self, number: usize) -> Option<String> {
        self.told.get(number).map(Told::id)
    }

    /// How many findings there are.
    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    /// The numbers of the findings that concern a pair.
    pub(super) fn concerned(&self, pair: &Pair) -> BTreeSet<usize> {
        let behind = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self);
        let behind = behind.flat_map(|endpoint| self.about_pod(&endpoint.namespace, endpoint.pod.as_deref()));
        let calling = self.about_client(&pair.client.namespace, &pair.client.pod);
        behind.chain(calling).copied().chain(self.about_server(&pair.server)).collect()
    }

    /// Whether a finding that concerns a pair says that its client sends plaintext, and why: what decides is what it is about.
    pub(super) fn tells_why_plaintext(&self, pair: &Pair) -> bool {
        let decides = |told: &Told<'_>| match told.fault {
            Fault::RunsAsProxyUser => pair.decided_by.kind == told.object.kind,
            Fault::TlsWithoutMode => {
                let field = told.object.field.as_deref().unwrap_or_default();
                told.object.same_object(&pair.decided_by)
                    && pair.decided_by.field.as_deref().is_some_and(|decides| decides.starts_with(field))
            }
            _ => false,
        };
        self.concerned(pair).into_iter().filter_map(|number| self.told.get(number)).any(decides)
    }

    /// The findings about what a pod serves.
    pub(super) fn about_pod<'q>(&'q self, namespace: &'q str, pod: Option<&'q str>) -> &'q [usize] {
        pod.and_then(|pod| self.by_pod.get(&(namespace, pod))).map_or(&[], Vec::as_slice)
    }

    /// The findings about what a pod calls.
    pub(super) fn about_client<'q>(&'q self, namespace: &'q str, pod: &'q str) -> &'q [usize] {
        self.by_client.get(&(namespace, pod)).map_or(&[], Vec::as_slice)
    }

    /// The findings about a service port, whoever calls it and whatever stands behind it.
    pub(super) fn about_server(&self, server: &ServerView) -> Vec<usize> {
        let name = server.service.as_ref().or(server.host.as_ref()).cloned().unwrap_or_default();
        let here = self.by_namespace.get(server.namespace.as_str());
        let called = self.by_service.get(&(server.namespace.as_str(), name));
        here.into_iter().chain(called).flatten().chain(&self.everywhere).copied().collect()
    }

    /// The findings; `pairs` are those that each concerns, by number.
    ///
    /// `namespaces` are those that were asked about, `None` for all: a finding without pairs is told where its object
    /// lives in one of them.
    pub(super) fn findings(self, pairs: Vec<Concerned>, namespaces: Option<&BTreeSet<String>>) -> Vec<Finding> {
        let asked = |told: &Told<'_>| {
            let of = told.object.namespace.as_ref();
            namespaces.is_none_or(|asked| of.is_some_and(|of| asked.contains(of)))
        };
        let found = self.told.into_iter().zip(pairs);
        found
            .filter(|(told, pairs)| pairs.count() > 0 || asked(told))
            .map(|(told, pairs)| finding(told, pairs))
            .collect()
    }
}

fn finding(told: Told<'_>, pairs: Concerned) -> Finding {
    let code = Code::Policy(told.fault);
    Finding {
        id: told.id(),
        code: code.code(),
        severity: code.severity(),
        title: told.title,
        pair_count: pairs.count(),
        pairs: pairs.ids(),
        objects: std::iter::once(told.object).chain(told.others).collect(),
        fixes: Vec::new(),
    }
}
