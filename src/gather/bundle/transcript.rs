//! Answers of curl, cut to what proves something: who answered, and the certificate that the application echoed.

use serde_json::{Value, json};

use crate::gather::bundle::Probed;
use crate::model::evidence::{Reading, Transfer};

/// Headers that tell who answered.
const HEADERS: [&str; 2] = ["server", "x-envoy-upstream-service-time"];
/// The report shows no more of an error.
const LINE: usize = 200;

pub(super) fn reduced(probed: &Probed) -> Probed {
    let reading = match &probed.reading {
        Reading::Seen(transfer) => Reading::Seen(cut(transfer)),
        Reading::Unseen(why) => Reading::Unseen(why.clone()),
    };
    Probed { reading, ..probed.clone() }
}

fn cut(transfer: &Transfer) -> Transfer {
    let headers = transfer.headers.iter().filter(|(name, _)| HEADERS.contains(&name.as_str()));
    Transfer { headers: headers.cloned().collect(), body: body(transfer), ..transfer.clone() }
}

/// What was echoed of the certificate, or the first line of an error; nothing else of what an application says.
fn body(transfer: &Transfer) -> String {
    let answer = serde_json::from_str::<Value>(&transfer.body).unwrap_or_default();
    if let Some(headers) = answer.get("headers").and_then(Value::as_object) {
        let echoed = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-client-cert"));
        let echoed: serde_json::Map<String, Value> =
            echoed.map(|(name, value)| (name.clone(), value.clone())).collect();
        return json!({ "headers": echoed }).to_string();
    }
    if transfer.http.starts_with(['4', '5']) {
        return transfer.body.lines().next().unwrap_or_default().chars().take(LINE).collect();
    }
    String::new()
}
