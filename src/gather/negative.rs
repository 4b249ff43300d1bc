//! `--negative-test`: for each STRICT claim a request that must be refused, sent from where no client's proxy sees it.
//!
//! That is the container of a sidecar, where it has a curl: its user's own traffic is never captured (Istio:
//! `tools/istio-iptables/pkg/capture/run.go`, `--uid-owner 1337 -j RETURN`). Else it is a pod without sidecar.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::gather::chosen::Chosen;
use crate::gather::probe::{how, is_test_client, nonce, sent};
use crate::gather::progress::Progress;
use crate::gather::scope::Scope;
use crate::model::evidence::{FailedLook, Transfer, Unseen};
use crate::model::pair::{AcceptMode, PairIntent};
use crate::model::port::PortClass;
use crate::model::wire::Wire;
use crate::model::workload::{Pod, ProxyKind};
use crate::observed::probe::{Patience, Question, Script};
use crate::source::cluster::Cluster;
use crate::source::exec::End;
use crate::verdict::negative::{Attempt, NegativeTest, Sender, Sent};

/// What came of it, and what could not be done.
#[derive(Debug, Default)]
pub(super) struct Negative {
    pub(super) tests: Vec<NegativeTest>,
    pub(super) failed: Vec<FailedLook>,
}

/// Ports that are tested: three requests each.
const MOST: usize = 50;
/// Containers that are tried.
const CONTAINERS: usize = 5;
/// Istio's readiness port: the proxy answers everybody there, in plaintext (`pilot/pkg/bootstrap`, `statusPort` 15021).
const HEALTH: u16 = 15021;

/// A container from which requests go past its pod's proxy, or whose pod has none.
struct From<'s> {
    pod: &'s Pod,
    container: &'s str,
}

/// Tests every STRICT claim of the chosen pairs, one pod for each workload and port.
pub(super) async fn run(
    cluster: &Cluster,
    chosen: &Chosen<'_>,
    intents: &[PairIntent],
    scope: &Scope,
    progress: &Progress,
) -> Negative {
    let mut tests = claims(intents);
    let mut open: VecDeque<usize> = (0..tests.len().min(MOST)).collect();
    let mut tried = Vec::new();
    for from in senders(chosen, scope).into_iter().take(CONTAINERS) {
        // A pod's calls to itself meet no proxy at all.
        let own = |test: &NegativeTest| (&test.namespace, &test.pod) == (&from.pod.meta.namespace, &from.pod.meta.name);
        let (mine, others): (Vec<usize>, Vec<usize>) =
            open.iter().copied().partition(|number| tests.get(*number).is_some_and(|test| !own(test)));
        if mine.is_empty() {
            continue;
        }
        progress.say(format!("sending what must be refused: {} ports", mine.len()));
        match send(cluster, &from, mine.iter().filter_map(|number| tests.get(*number))).await {
            Err(why) => tried.push(format!("{}: {why}", from.name())),
            Ok(answers) => {
                open = others.into();
                for (number, answers) in mine.into_iter().zip(answers) {
                    if let Some(test) = tests.get_mut(number) {
                        test.from = Some(from.sender());
                        judge(test, answers);
                    }
                }
            }
        }
    }
    let failed = unproven(&mut tests, &tried);
    Negative { tests, failed }
}

/// The STRICT claims, in byte order of namespace, workload and port.
fn claims(intents: &[PairIntent]) -> Vec<NegativeTest> {
    let mut claims = BTreeMap::new();
    for endpoint in intents.iter().flat_map(|intent| &intent.endpoints).filter(|endpoint| !endpoint.is_self) {
        let (Some(pod), Some(address)) = (&endpoint.pod, endpoint.address) else { continue };
        let claimed = endpoint.accepts.mode == AcceptMode::Strict && endpoint.outcome.wire != Wire::Unknown;
        if !claimed || endpoint.proxy != ProxyKind::Sidecar {
            continue;
        }
        let why = match endpoint.accepts.class {
            PortClass::Http | PortClass::Auto => None,
            // If it is not refused, it arrives: no database is sent HTTP.
            PortClass::Tcp => Some("the port does not speak HTTP".to_owned()),
        };
        let key = (endpoint.namespace.clone(), endpoint.workload.clone(), endpoint.port.0);
        claims.entry(key).or_insert_with(|| NegativeTest {
            namespace: endpoint.namespace.clone(),
            workload: endpoint.workload.clone(),
            pod: pod.clone(),
            address: address.to_string(),
            port: endpoint.port.0,
            decided_by: endpoint.accepts.decided_by.clone(),
            result: "unproven",
            why,
            from: None,
            control: None,
            plaintext: None,
            tls: None,
        });
    }
    let (http, tcp): (Vec<_>, Vec<_>) = claims.into_values().partition(|claim| claim.why.is_none());
    // Those that are not tested stand last: numbers up to the bound are tested.
    http.into_iter().chain(tcp).collect()
}

/// Sidecars' containers first: the path of a real client, without its proxy.
fn senders<'s>(chosen: &Chosen<'s>, scope: &Scope) -> Vec<From<'s>> {
    let asked = |pod: &Pod| pod.ready && (!scope.from.is_empty() || is_test_client(pod));
    let pods = || chosen.clients.iter().map(|client| client.pod).filter(|pod| asked(pod));
    let sidecar = |pod: &'s Pod| {
        let container = pod.containers.iter().find(|container| container.name == "istio-proxy")?;
        (pod.proxy == ProxyKind::Sidecar).then_some(From { pod, container: &container.name })
    };
    let bare = |pod: &'s Pod| {
        let container = pod.application_container()?;
        (pod.proxy == ProxyKind::None).then_some(From { pod, container: &container.name })
    };
    pods().filter_map(sidecar).chain(pods().filter_map(bare)).collect()
}

type Answers = [Result<Transfer, Unseen>; 3];

/// One exec for all ports; three requests each, in order.
async fn send<'t>(
    cluster: &Cluster,
    from: &From<'_>,
    tests: impl Iterator<Item = &'t NegativeTest>,
) -> Result<Vec<Answers>, String> {
    let questions: Vec<Question> = tests.filter_map(questions).flatten().collect();
    let script = Script::new(nonce(), questions, Patience::default());
    let ran = sent(cluster, from.pod, from.container, &script).await.map_err(|failure| failure.reason.to_string())?;
    if let End::NoSuchProgram(text) = &ran.end {
        return Err(format!("it has no curl: {text}"));
    }
    let mut answers = script.answers(&ran.stdout, &ran.stderr, &how(&ran)).into_iter();
    let mut all = Vec::new();
    while let (Some(control), Some(plaintext), Some(tls)) = (answers.next(), answers.next(), answers.next()) {
        all.push([control, plaintext, tls]);
    }
    Ok(all)
}

fn questions(test: &NegativeTest) -> Option<[Question; 3]> {
    const PATH: &str = ".well-known/kubectl-mtls";
    let address: IpAddr = test.address.parse().ok()?;
    let (health, port) = (SocketAddr::new(address, HEALTH), SocketAddr::new(address, test.port));
    Some([
        Question::new(format!("http://{health}/healthz/ready")),
        Question::new(format!("http://{port}/{PATH}")),
        Question { insecure: true, ..Question::new(format!("https://{port}/{PATH}")) },
    ])
}

fn judge(test: &mut NegativeTest, answers: Answers) {
    match answers {
        [Ok(control), Ok(plaintext), Ok(tls)] => test.judge(
            Attempt::of(&control, Sent::Plaintext),
            Attempt::of(&plaintext, Sent::Plaintext),
            Attempt::of(&tls, Sent::Tls),
        ),
        answers => {
            let why = answers.into_iter().find_map(Result::err);
            test.why = why.as_ref().and_then(Unseen::detail).map(str::to_owned);
        }
    }
}

/// What nothing was proven of, each with its reason; a look that failed for all of them.
fn unproven(tests: &mut [NegativeTest], tried: &[String]) -> Vec<FailedLook> {
    let nobody = if tried.is_empty() {
        "there is no test client with a sidecar's container, nor one without sidecar".to_owned()
    } else {
        format!("nobody could send it ({})", tried.join("; "))
    };
    for (number, test) in tests.iter_mut().enumerate() {
        if test.result == "unproven" && test.why.is_none() {
            let beyond = number >= MOST;
            test.why = Some(if beyond { format!("beyond the first {MOST} ports") } else { nobody.clone() });
        }
    }
    let open: Vec<&NegativeTest> = tests.iter().filter(|test| test.result == "unproven").collect();
    let Some(first) = open.first() else { return Vec::new() };
    vec![FailedLook {
        tried: format!("prove STRICT of {} of {} ports", open.len(), tests.len()),
        why: format!(
            "{}/{} port {}: {}",
            first.namespace,
            first.workload,
            first.port,
            first.why.as_deref().unwrap_or_default()
        ),
        next: Some("name clients with curl in the sidecar's container or without sidecar: --from app=sleep".to_owned()),
    }]
}

// === impl From ===

impl From<'_> {
    fn name(&self) -> String {
        format!("{}/{} (container {})", self.pod.namespace(), self.pod.meta.name, self.container)
    }

    fn sender(&self) -> Sender {
        Sender {
            namespace: self.pod.meta.namespace.clone(),
            pod: self.pod.meta.name.clone(),
            container: self.container.to_owned(),
        }
    }
}
