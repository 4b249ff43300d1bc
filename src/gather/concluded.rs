//! What an answer of curl proves about its pair.

use crate::gather::chosen::Chosen;
use crate::intent::Client;
use crate::model::evidence::{Reading, Transfer, Unseen};
use crate::model::pair::{AcceptMode, PairIntent, ServerRef};
use crate::model::wire::Wire;
use crate::model::workload::ProxyKind;
use crate::observed::causes::{self, Heard};
use crate::observed::flags;
use crate::observed::repeats::Repeats;
use crate::observed::signature::{Conclusion, Ends};
use crate::verdict::join::Seen;

/// What is known of a request beside its answer.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// What both proxies counted and logged of it.
    pub(super) heard: Heard,
    /// What became of it when it was sent again.
    pub(super) repeats: Option<Repeats>,
}

/// What is known of both ends of a call without asking policy what it demands.
pub(super) fn ends((client, server, echoes): (&Client<'_>, &ServerRef, bool), intent: &PairIntent) -> Ends {
    let counted = intent.endpoints.iter().filter(|endpoint| !endpoint.is_self);
    let mut proxies: Vec<bool> = counted.map(|endpoint| endpoint.accepts.mode != AcceptMode::NoProxy).collect();
    proxies.dedup();
    Ends {
        client_proxy: client.pod.proxy == ProxyKind::Sidecar,
        server_proxy: match proxies.as_slice() {
            [same] => Some(*same),
            _ => None,
        },
        class: server.protocol.class(),
        echoes,
    }
}

/// What an answer proves.
pub(super) fn concluded(
    reading: Reading<Transfer>,
    chosen: &Chosen<'_>,
    call: usize,
    intent: &PairIntent,
    Beside { heard, repeats }: Beside,
) -> Reading<Seen> {
    let transfer = match reading {
        Reading::Seen(transfer) => transfer,
        Reading::Unseen(why) => return Reading::Unseen(why),
    };
    let Some(pair) = chosen.pair(call) else {
        return Reading::Unseen(Unseen::Failed("the answer belongs to no pair".to_owned()));
    };
    let ends = ends(pair, intent);
    let mut conclusion = Conclusion::of(&transfer, ends);
    // Of answers that go on changing the last one is as good as any.
    if repeats.as_ref().is_some_and(|repeats| !repeats.settled && repeats.changed()) {
        conclusion.wires = vec![Wire::Unknown];
        conclusion.why = "answers-differ";
    }
    Reading::Seen(Seen {
        conclusion,
        causes: causes::of(&transfer, ends, &heard),
        flags: flags::implied(&transfer, ends),
        transfer,
        heard,
        repeats,
    })
}
