//! What the access logs of both ends' proxies say of a request whose answer still leaves several causes.
//!
//! Asked of few, and only where the rights allow it; a proxy that writes no log, or in a form of its own, says nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::gather::chosen::Chosen;
use crate::gather::concluded::{Beside, concluded};
use crate::gather::probe::host;
use crate::gather::repeat::Repeated;
use crate::model::evidence::{Reading, Transfer};
use crate::model::pair::{Endpoint, PairIntent, ServerRef};
use crate::model::workload::{Pod, ProxyKind};
use crate::observed::access_log::{self, Line};
use crate::observed::causes::Heard;
use crate::observed::probe::AGENT;
use crate::programmed::Proxies;
use crate::source::cluster::Cluster;
use crate::verdict::join;

/// Logs that are read at the same time.
const AT_ONCE: usize = 4;
/// What is read of a log, in bytes.
const MOST: u32 = 256 * 1024;
/// Bound on a reading, and on all of them: nobody waits long for what only narrows.
const EACH: Duration = Duration::from_secs(3);
const ALL: Duration = Duration::from_secs(10);
/// Envoy writes its log once a second (`pkg/envoy/proxy.go`: `--file-flush-interval-msec`, 1000 by default), and the kubelet
/// takes a moment.
const WRITTEN: Duration = Duration::from_millis(1300);
/// The container of the sidecar.
const CONTAINER: &str = "istio-proxy";

/// Namespace and name of a pod.
type Place = (String, String);

/// The calls whose failure still has several causes, with all that was counted and told.
pub(super) fn open(
    (chosen, calls, proxies): (&Chosen<'_>, &BTreeMap<usize, Arc<PairIntent>>, &Proxies),
    by_call: &HashMap<usize, Reading<Transfer>>,
    (counted, repeated): (&HashMap<usize, Heard>, &Repeated),
) -> BTreeSet<usize> {
    let once = calls.iter().filter(|(call, _)| !repeated.contains_key(call));
    let open = once.filter_map(|(call, intent)| {
        let (client, server, _) = chosen.pair(*call)?;
        let beside = Beside { heard: counted.get(call).cloned().unwrap_or_default(), repeats: None };
        let reading = concluded(by_call.get(call)?.clone(), chosen, *call, intent, beside);
        let Reading::Seen(seen) = reading else { return None };
        let told = proxies.told(&client.reference, server, intent);
        join::leaves_open(&seen, (&client.reference, server), intent, &told).then_some(*call)
    });
    open.collect()
}

/// Reads what the logs say of some calls, which all began after that moment.
pub(super) async fn heard(
    cluster: &Cluster,
    chosen: &Chosen<'_>,
    calls: &BTreeMap<usize, Arc<PairIntent>>,
    open: &BTreeSet<usize>,
    began: Instant,
) -> HashMap<usize, Heard> {
    let ends: Vec<_> = open
        .iter()
        .filter_map(|call| {
            let (client, server, _) = chosen.pair(*call)?;
            Some((*call, client.pod, server, only(calls.get(call)?)))
        })
        .collect();
    let mut places: BTreeSet<Place> = BTreeSet::new();
    for (_, client, _, endpoint) in &ends {
        places.extend((client.proxy == ProxyKind::Sidecar).then(|| place(client)));
        places.extend(endpoint.filter(|endpoint| endpoint.proxy == ProxyKind::Sidecar).and_then(place_of));
    }
    // The right is the same for all in practice: where the first log is closed nobody waits, and no other is tried.
    let Some(first) = places.first() else { return HashMap::new() };
    if read(cluster, first.clone(), began.elapsed(), 1).await.is_none() {
        return HashMap::new();
    }
    tokio::time::sleep(WRITTEN).await;
    let since = began.elapsed();
    let readings = places.into_iter().map(|place| read(cluster, place, since, MOST));
    let logs = futures_util::stream::iter(readings).buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(ALL));
    let logs: HashMap<Place, Vec<Line>> = logs.filter_map(|log| async { log }).collect().await;
    let said = ends.into_iter().map(|(call, client, server, endpoint)| {
        let at_client = logs.get(&place(client)).map(|lines| of_request(lines, server)).unwrap_or_default();
        let at_server = endpoint.and_then(|endpoint| Some((logs.get(&place_of(endpoint)?)?, endpoint)));
        let server = at_server.map(|(lines, endpoint)| of_connection(lines, client, endpoint)).unwrap_or_default();
        (call, Heard { client: at_client, server, ..Heard::default() })
    });
    said.filter(|(_, heard)| !heard.is_empty()).collect()
}

async fn read(cluster: &Cluster, place: Place, since: Duration, most: u32) -> Option<(Place, Vec<Line>)> {
    let asked = cluster.log((&place.0, &place.1, CONTAINER), since, most);
    let text = tokio::time::timeout(EACH, asked).await.ok()?.ok()?;
    Some((place, access_log::lines(&text).collect()))
}

/// What the client's proxy wrote of our request to a server.
fn of_request(lines: &[Line], server: &ServerRef) -> Vec<String> {
    let authority = host(server);
    let ours =
        |line: &&Line| line.agent.as_deref() == Some(AGENT) && line.authority.as_deref() == Some(authority.as_str());
    agreed(lines.iter().filter(ours))
}

/// What the server's proxy wrote of connections of the client's to the port: of ours, and of those that came to nothing.
fn of_connection(lines: &[Line], client: &Pod, endpoint: &Endpoint) -> Vec<String> {
    let theirs = |line: &&Line| {
        let is_ours = line.agent.as_deref().is_none_or(|agent| agent == AGENT);
        let from = line.remote.is_some_and(|remote| !client.host_network && client.addresses.contains(&remote));
        is_ours && from && line.port == Some(endpoint.port.0) && !line.words.is_empty()
    };
    agreed(lines.iter().filter(theirs))
}

/// The words of lines that all say the same; of lines that differ nobody knows which is ours.
fn agreed<'l>(mut lines: impl Iterator<Item = &'l Line>) -> Vec<String> {
    let Some(first) = lines.next() else { return Vec::new() };
    if lines.all(|line| line.words == first.words) { first.words.clone() } else { Vec::new() }
}

/// The endpoint that a call meets, where there is only one.
fn only(intent: &PairIntent) -> Option<&Endpoint> {
    let mut others = intent.endpoints.iter().filter(|endpoint| !endpoint.is_self);
    others.next().filter(|_| others.next().is_none())
}

fn place(pod: &Pod) -> Place {
    (pod.namespace().to_owned(), pod.meta.name.clone())
}

fn place_of(endpoint: &Endpoint) -> Option<Place> {
    Some((endpoint.namespace.clone(), endpoint.pod.clone()?))
}
