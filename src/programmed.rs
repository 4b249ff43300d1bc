//! The second witness: what the proxies were told, reduced to the words that policy uses.
//!
//! A proxy's answers become a [`proxy::Proxy`]; [`outbound`] reads from it what the client side sends, [`inbound`] what
//! the server side accepts, [`pair`] what follows. What is not understood is said, never guessed.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use crate::model::evidence::{Reading, Unseen};
use crate::model::pair::{ClientRef, PairIntent, ServerRef};
use crate::model::proxy_answers::ProxyAnswers;
use crate::programmed::proxy::{Proxy, Wanted};
use crate::programmed::told::Programmed;

pub mod certificates;
mod chains;
pub mod inbound;
mod leads;
mod mode;
pub mod outbound;
pub mod pair;
pub mod proxy;
mod sds;
pub mod told;
pub mod troubles;
mod wanted;

/// Every proxy that was asked, or why it was not.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    by_pod: HashMap<(String, String), Reading<Arc<Proxy>>>,
}

// === impl Proxies ===

impl Proxies {
    /// Takes the answers of one proxy, for its pod and those it stands for.
    pub fn read(&mut self, answers: &ProxyAnswers, wanted: &Wanted) {
        let mut proxy = Proxy::read(answers, wanted);
        let beyond = leads::beyond(&proxy, wanted);
        if !beyond.is_empty() {
            proxy = Proxy::read(answers, &wanted.and(beyond));
        }
        let proxy = Arc::new(proxy);
        for pod in std::iter::once(&answers.pod).chain(&answers.stands_for) {
            self.insert(&answers.namespace, pod, Reading::Seen(Arc::clone(&proxy)));
        }
    }

    /// Takes a whole dump as it comes, without keeping it; a second time where its routes lead to hosts that nobody asked for.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn read_stream<R: Read>(
        &mut self,
        namespace: &str,
        pod: &str,
        open: impl Fn() -> io::Result<R>,
        wanted: &Wanted,
    ) -> io::Result<()> {
        let mut proxy = Proxy::stream(namespace, pod, open()?, wanted);
        let beyond = leads::beyond(&proxy, wanted);
        if !beyond.is_empty() {
            proxy = Proxy::stream(namespace, pod, open()?, &wanted.and(beyond));
        }
        self.insert(namespace, pod, Reading::Seen(Arc::new(proxy)));
        Ok(())
    }

    /// A proxy that could not be asked.
    pub fn unseen(&mut self, namespace: &str, pod: &str, why: Unseen) {
        self.insert(namespace, pod, Reading::Unseen(why));
    }

    /// Another pod of the namespace for which the same answer stands.
    pub fn same_as(&mut self, namespace: &str, pod: &str, other: &str) {
        let reading = self.of(namespace, pod);
        self.insert(namespace, other, reading);
    }

    /// Whether no proxy was asked at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_pod.is_empty()
    }

    /// Whether a pod's proxy was asked.
    #[must_use]
    pub fn knows(&self, namespace: &str, pod: &str) -> bool {
        !self.is_empty() && self.by_pod.contains_key(&(namespace.to_owned(), pod.to_owned()))
    }

    /// What is known of a pod's proxy.
    #[must_use]
    pub fn of(&self, namespace: &str, pod: &str) -> Reading<Arc<Proxy>> {
        let key = (namespace.to_owned(), pod.to_owned());
        self.by_pod.get(&key).cloned().unwrap_or(Reading::Unseen(Unseen::NotRequested))
    }

    /// What the proxies of a pair were told, and what follows from it.
    #[must_use]
    pub fn told(&self, client: &ClientRef, server: &ServerRef, intent: &PairIntent) -> Programmed {
        pair::told(self, client, server, intent)
    }

    fn insert(&mut self, namespace: &str, pod: &str, reading: Reading<Arc<Proxy>>) {
        self.by_pod.insert((namespace.to_owned(), pod.to_owned()), reading);
    }
}
