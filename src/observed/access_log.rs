//! Lines of a sidecar's access log: what Envoy wrote of one request or connection.
//!
//! Istio writes text unless told otherwise (`pilot/pkg/model/telemetry_logging.go:EnvoyTextLogFormat`), or the same fields as
//! JSON (`EnvoyJSONLogFormatIstio`). What is written in another form is not read.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// `user-agent`; none of a connection.
    pub agent: Option<String>,
    /// `:authority`.
    pub authority: Option<String>,
    /// Who called.
    pub remote: Option<IpAddr>,
    /// The port that was called.
    pub port: Option<u16>,
    /// Response flags, details, and why the upstream's transport failed, as far as they are there.
    pub words: Vec<String>,
}

/// Fields of the text, in their order.
const FIELDS: usize = 22;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Json {
    user_agent: Option<String>,
    authority: Option<String>,
    downstream_remote_address: Option<String>,
    downstream_local_address: Option<String>,
    response_flags: Option<String>,
    response_code_details: Option<String>,
    connection_termination_details: Option<String>,
    upstream_transport_failure_reason: Option<String>,
}

/// Every line that is one of an access log.
pub fn lines(text: &str) -> impl Iterator<Item = Line> {
    text.lines().filter_map(|line| if line.starts_with('{') { json(line) } else { plain(line) })
}

fn json(line: &str) -> Option<Line> {
    let read: Json = serde_json::from_str(line).ok()?;
    // Whatever else prints JSON into this log has no addresses.
    read.downstream_remote_address.as_ref()?;
    let said = [
        &read.response_flags,
        &read.response_code_details,
        &read.connection_termination_details,
        &read.upstream_transport_failure_reason,
    ];
    Some(Line {
        remote: read.downstream_remote_address.as_deref().and_then(address).map(|address| address.ip()),
        port: read.downstream_local_address.as_deref().and_then(address).map(|address| address.port()),
        words: words(said.into_iter().flatten().map(String::as_str)),
        agent: read.user_agent,
        authority: read.authority,
    })
}

fn plain(line: &str) -> Option<Line> {
    let fields = fields(line.strip_prefix('[')?.split_once("] ")?.1);
    let field = |at: usize| fields.get(at - 1).copied().filter(|text| *text != "-");
    // The time was the first.
    (fields.len() == FIELDS - 1).then_some(())?;
    Some(Line {
        agent: field(12).map(str::to_owned),
        authority: field(14).map(str::to_owned),
        port: field(18).and_then(address).map(|address| address.port()),
        remote: field(19).and_then(address).map(|address| address.ip()),
        words: words([3, 4, 5, 6].into_iter().filter_map(field)),
    })
}

/// Parts between blanks, or between quotation marks.
fn fields(line: &str) -> Vec<&str> {
    let mut rest = line.trim_end();
    let mut fields = Vec::with_capacity(FIELDS);
    while !rest.is_empty() {
        let split = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').map(|(field, rest)| (field, rest.trim_start())),
            None => rest.split_once(' '),
        };
        let (field, behind) = split.unwrap_or((rest, ""));
        fields.push(field);
        rest = behind;
    }
    fields
}

fn words<'w>(said: impl Iterator<Item = &'w str>) -> Vec<String> {
    /// Envoy's own are shorter.
    const LONGEST: usize = 300;
    said.filter(|word| !word.is_empty() && *word != "-").map(|word| word.chars().take(LONGEST).collect()).collect()
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}
