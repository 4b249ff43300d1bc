//! Answers about more pairs than anybody lists: one question per service port and class of clients.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::gather::chosen::{Chosen, unasked};
use crate::gather::probe::is_test_client;
use crate::gather::witnesses::Witnesses;
use crate::intent::{Class, Crowd, Detail, Members, Mesh};
use crate::model::evidence::{Reading, Unseen};
use crate::model::pair::{ClientRef, PairIntent, ServerRef};
use crate::verdict::join::{self, Seen};
use crate::verdict::report::Pair;
use crate::verdict::tallied::Shared;

/// Service ports that a core answers at a time.
const SHARE: usize = 16;
/// Shares that wait to be counted, for each core: enough to keep it busy, few enough to be held.
const AHEAD: usize = 4;

/// What requests to a service port showed, by client.
type Observed<'a> = BTreeMap<usize, &'a Reading<Seen>>;

// === impl Chosen, by class ===

impl<'s> Chosen<'s> {
    /// Every pair answered, none of them held: one answer for all that share it. Pairs of which a request or a proxy tells
    /// something speak for themselves.
    pub(super) fn answers(&self, mesh: &Mesh<'s>, witnesses: &Witnesses<'_>, take: &mut dyn FnMut(&Shared)) {
        let crowd = mesh.crowd(&self.clients);
        let mut observed: HashMap<usize, Observed<'_>> = HashMap::new();
        for (call, reading) in &witnesses.observed {
            let (client, server) = self.numbers(*call);
            observed.entry(server).or_default().insert(client, reading);
        }
        let asked = Asked { chosen: self, mesh, crowd: &crowd, witnesses, observed: &observed };
        in_order(self.servers.len(), |server| asked.about(server), |answers| answers.iter().for_each(&mut *take));
    }

    /// The clients as answers name them by number.
    pub(super) fn references(&self) -> Vec<&ClientRef> {
        self.clients.iter().map(|client| &client.reference).collect()
    }
}

/// Works on every core while the results are looked at one after the other, in the order of the numbers.
///
/// Whoever made a result takes it apart again: memory that one core gives back for another makes both wait.
fn in_order<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync, mut take: impl FnMut(&T)) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let (results, taken) = mpsc::sync_channel(cores * AHEAD);
    let (work, next) = (&work, &next);
    let each = move |results: mpsc::SyncSender<(usize, usize, Vec<T>)>, number: usize, back: mpsc::Receiver<Vec<T>>| {
        loop {
            back.try_iter().for_each(drop);
            let first = next.fetch_add(SHARE, Ordering::Relaxed);
            if first >= count {
                return;
            }
            let share = (first..count.min(first + SHARE)).map(work).collect();
            // Nobody listens any more: a panic is on its way.
            if results.send((first, number, share)).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let (mut started, mut makers) = (Vec::new(), Vec::new());
        for number in 0..cores {
            let (results, (maker, back)) = (results.clone(), mpsc::channel());
            started.push(scope.spawn(move || each(results, number, back)));
            makers.push(maker);
        }
        drop(results);
        let (mut early, mut awaited) = (BTreeMap::new(), 0);
        for (first, maker, share) in taken {
            early.insert(first, (maker, share));
            while let Some((maker, share)) = early.remove(&awaited) {
                share.iter().for_each(&mut take);
                awaited += SHARE;
                // One that has nothing left to do is gone.
                let _ = makers.get(maker).map(|maker| maker.send(share));
            }
        }
        for thread in started {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

struct Asked<'a, 's> {
    chosen: &'a Chosen<'s>,
    mesh: &'a Mesh<'s>,
    crowd: &'a Crowd<'a, 's>,
    witnesses: &'a Witnesses<'a>,
    observed: &'a HashMap<usize, Observed<'a>>,
}

// === impl Asked ===

impl Asked<'_, '_> {
    fn about(&self, number: usize) -> Vec<Shared> {
        let Some(server) = self.chosen.servers.get(number) else { return Vec::new() };
        // Nobody is shown the layers; only what a proxy was told is compared with them.
        let detail = if self.witnesses.proxies.is_empty() { Detail::Deciders } else { Detail::Layers };
        let mut shared = Vec::new();
        for Class { members, intent } in self.mesh.classes(self.crowd, server, false, detail) {
            let seen = self.seen(number, &members, &intent);
            shared.extend(seen.iter().filter_map(|client| self.alone(*client, number)));
            let members = if seen.is_empty() { members } else { members.without(&seen) };
            let Some(client) = members.first() else { continue };
            shared.extend(self.pair(client, number, server, intent).map(|pair| Shared {
                pair,
                server: number,
                clients: members,
            }));
        }
        shared
    }

    /// The members of a class that a request or a proxy tells something of.
    fn seen(&self, server: usize, members: &Members, intent: &PairIntent) -> BTreeSet<usize> {
        let proxies = self.witnesses.proxies;
        let mut seen: BTreeSet<usize> =
            self.observed.get(&server).into_iter().flat_map(BTreeMap::keys).copied().collect();
        seen.retain(|client| members.contains(*client));
        if proxies.is_empty() {
            return seen;
        }
        let behind = |pod: Option<&str>, namespace: &str| pod.is_some_and(|pod| proxies.knows(namespace, pod));
        let server_told = intent.endpoints.iter().any(|end| behind(end.pod.as_deref(), &end.namespace));
        let client_told = |client: &usize| {
            let reference = self.chosen.clients.get(*client).map(|client| &client.reference);
            reference.is_some_and(|client| proxies.knows(&client.namespace, &client.pod))
        };
        seen.extend(members.numbers().filter(|client| server_told || client_told(client)));
        seen
    }

    fn alone(&self, client: usize, number: usize) -> Option<Shared> {
        let server = self.chosen.servers.get(number)?;
        let intent = self.mesh.pair(self.chosen.clients.get(client)?.pod, server);
        let pair = self.pair(client, number, server, intent)?;
        Some(Shared { pair, server: number, clients: Members::These(vec![client]) })
    }

    fn pair(&self, client: usize, number: usize, server: &ServerRef, intent: PairIntent) -> Option<Pair> {
        let who = self.chosen.clients.get(client)?;
        let programmed = self.witnesses.proxies.told(&who.reference, server, &intent);
        if let Some(reading) = self.observed.get(&number).and_then(|observed| observed.get(&client)) {
            return Some(join::pair(&who.reference, server, intent, &programmed, reading));
        }
        let test = is_test_client(who.pod) && self.chosen.echo.get(number).copied().unwrap_or_default();
        let why = match unasked(self.witnesses.probes, test, who.pod, server, &intent) {
            Unseen::ThroughService => Unseen::Budget,
            why => why,
        };
        Some(join::pair(&who.reference, server, intent, &programmed, &Reading::Unseen(why)))
    }
}
