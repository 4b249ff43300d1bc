//! Reading namespace by namespace, for users whose rights end there. What they may read is asked of the server first, so that
//! nothing is tried in vain; what stays closed is named with the verb, the kind and the namespace that are missing.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::gather::mesh::{Look, Places};
use crate::model::evidence::FailedLook;
use crate::model::snapshot::UnseenScope;
use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, ROLE, Reason};
use crate::source::list::Resource;
use crate::source::needs::{Listed, NAMESPACES};
use crate::source::rights::Right;

/// Namespaces that are read at the same time.
const AT_ONCE: usize = 8;
/// Beyond so many namespaces only those are read that were asked about: each costs a review and a list of each kind.
const MOST: usize = 200;

/// Kinds that cannot be listed in all namespaces at once.
pub(super) struct Narrowed<'a> {
    cluster: &'a Cluster,
    places: &'a Places,
    kinds: Vec<Closed>,
}

/// A kind, the server's reason why not all of it, and where it was read all the same.
struct Closed {
    listed: Listed,
    resource: Resource,
    why: String,
    read: BTreeSet<String>,
}

/// What one namespace gave for a kind.
type Part = Result<Vec<Value>, Failure>;

// === impl Narrowed ===

impl<'a> Narrowed<'a> {
    pub(super) fn new(cluster: &'a Cluster, places: &'a Places, forbidden: Vec<(Listed, Resource, String)>) -> Self {
        let closed = |(listed, resource, why)| Closed { listed, resource, why, read: BTreeSet::new() };
        Self { cluster, places, kinds: forbidden.into_iter().map(closed).collect() }
    }

    pub(super) async fn read(mut self, look: &mut Look) -> Result<(), Failure> {
        let namespaces = self.namespaces(look);
        let parts: Vec<(&str, Vec<Part>)> =
            futures_util::stream::iter(namespaces.iter().map(|namespace| self.namespace(namespace)))
                .buffered(AT_ONCE)
                .collect()
                .await;
        for (namespace, parts) in parts {
            let mut closed = Vec::new();
            for (kind, objects) in self.kinds.iter_mut().zip(parts) {
                match objects {
                    Ok(objects) => {
                        look.take(objects);
                        kind.read.insert(namespace.to_owned());
                    }
                    // Nobody asked about it by name; it is among the rest.
                    Err(_) if !self.places.names(kind.listed.place, namespace) => {}
                    Err(Failure { reason: Reason::Forbidden(_), .. }) => closed.push(&*kind),
                    Err(failure) => look.blind(kind.resource.full_name(), Some(namespace.to_owned()), failure)?,
                }
            }
            look.close(namespace, &closed);
        }
        self.rest(look);
        Ok(())
    }

    /// Where to look: what was asked about, the control plane's, and all others that are known.
    fn namespaces(&self, look: &Look) -> Vec<String> {
        let mut namespaces: BTreeSet<String> = self.places.named.clone();
        namespaces.insert(self.places.istio.clone());
        namespaces.extend(self.places.root.clone());
        let known = look.objects.iter().filter(|loaded| loaded.object.get("kind") == Some(&NAMESPACES.kind.into()));
        let known: BTreeSet<String> =
            known.filter_map(|loaded| loaded.object.pointer("/metadata/name")?.as_str()).map(str::to_owned).collect();
        if known.len() <= MOST {
            namespaces.extend(known);
        }
        namespaces.into_iter().collect()
    }

    /// Lists what may be listed in a namespace, kind by kind.
    async fn namespace<'n>(&self, namespace: &'n str) -> (&'n str, Vec<Part>) {
        let rights: Vec<Right> = self.kinds.iter().map(|closed| closed.listed.right()).collect();
        let lacking = self.cluster.lacking(&rights, namespace).await;
        let mut parts = Vec::new();
        for closed in &self.kinds {
            parts.push(if closed.listed == NAMESPACES {
                // The right to get it may be bound to its name.
                self.cluster.one(&closed.resource, namespace).await.map(|object| vec![object])
            } else if lacking.contains(&closed.listed.right()) {
                let reason = Reason::Forbidden(no_right(&[closed], namespace));
                Err(Failure { tried: format!("list {} in namespace {namespace}", closed.resource.full_name()), reason })
            } else {
                self.cluster.list(&closed.resource, Some(namespace)).await
            });
        }
        (namespace, parts)
    }

    /// What nobody asked about and nobody read: one look that failed, whatever the number of kinds.
    fn rest(self, look: &mut Look) {
        let names: Vec<String> = self.kinds.iter().map(|closed| closed.resource.full_name()).collect();
        let everywhere = self.places.everywhere;
        // Whoever asked about everything is owed it.
        look.lacking |= everywhere;
        let Some(why) = self.kinds.first().map(|closed| closed.why.clone()) else { return };
        let read: BTreeSet<&String> = self.kinds.iter().flat_map(|closed| &closed.read).collect();
        let beyond = if read.is_empty() {
            "in all namespaces".to_owned()
        } else {
            format!("beyond {}", read.into_iter().cloned().collect::<Vec<_>>().join(", "))
        };
        let failed =
            FailedLook { tried: format!("list {} {beyond}", names.join(", ")), why, next: Some(ROLE.to_owned()) };
        look.unseen.extend(self.kinds.into_iter().map(|closed| UnseenScope {
            resource: closed.resource.full_name(),
            namespace: None,
            but: closed.read,
            look: failed.clone(),
        }));
    }
}

// === impl Look ===

impl Look {
    /// What of a namespace is closed to the user: one look that failed, whatever the number of kinds.
    fn close(&mut self, namespace: &str, closed: &[&Closed]) {
        if closed.is_empty() {
            return;
        }
        self.lacking = true;
        let look = FailedLook {
            tried: format!("read all of namespace {namespace}"),
            why: no_right(closed, namespace),
            next: Some(format!("`kubectl mtls rbac -n {namespace}` prints the role that has it")),
        };
        self.unseen.extend(closed.iter().map(|closed| UnseenScope {
            resource: closed.resource.full_name(),
            namespace: Some(namespace.to_owned()),
            but: BTreeSet::new(),
            look: look.clone(),
        }));
    }
}

/// The verbs and kinds that are missing.
fn no_right(closed: &[&Closed], namespace: &str) -> String {
    let (own, listed): (Vec<&Closed>, Vec<&Closed>) = closed.iter().partition(|closed| closed.listed == NAMESPACES);
    let names: Vec<String> = listed.iter().map(|closed| closed.resource.full_name()).collect();
    let own = own.first().map(|_| format!("get namespaces `{namespace}`"));
    let listed = (!names.is_empty()).then(|| format!("list {}", names.join(", ")));
    let missing: Vec<String> = own.into_iter().chain(listed).collect();
    format!("no right to {} in namespace {namespace}", missing.join(" and to "))
}
