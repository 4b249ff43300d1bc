//! What an answer of curl proves about its pair.

use crate::gather::chosen::Chosen;
use crate::model::evidence::{Reading, Transfer, Unseen};
use crate::model::pair::{AcceptMode, PairIntent};
use crate::model::workload::ProxyKind;
use crate::observed::causes::{self, Heard};
use crate::observed::flags;
use crate::observed::signature::{Conclusion, Ends};
use crate::verdict::join::Seen;

/// What an answer proves, with what both proxies counted beside it.
pub(super) fn concluded(
    reading: Reading<Transfer>,
    chosen: &Chosen<'_>,
    call: usize,
    intent: &PairIntent,
    heard: Heard,
) -> Reading<Seen> {
    let transfer = match reading {
        Reading::Seen(transfer) => transfer,
        Reading::Unseen(why) => return Reading::Unseen(why),
    };
    let Some((client, server, echoes)) = chosen.pair(call) else {
        return Reading::Unseen(Unseen::Failed("the answer belongs to no pair".to_owned()));
    };
    let mut proxies: Vec<bool> = intent
        .endpoints
        .iter()
        .filter(|endpoint| !endpoint.is_self)
        .map(|endpoint| endpoint.accepts.mode != AcceptMode::NoProxy)
        .collect();
    proxies.dedup();
    let ends = Ends {
        client_proxy: client.pod.proxy == ProxyKind::Sidecar,
        server_proxy: match proxies.as_slice() {
            [same] => Some(*same),
            _ => None,
        },
        class: server.protocol.class(),
        echoes,
    };
    Reading::Seen(Seen {
        conclusion: Conclusion::of(&transfer, ends),
        causes: causes::of(&transfer, ends, &heard),
        flags: flags::implied(&transfer, ends),
        transfer,
        heard,
        requests: 1,
    })
}
