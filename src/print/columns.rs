//! The columns of the table: what each says about a pair, in words an operator knows from Istio and curl.

use std::collections::BTreeSet;

use crate::model::derivation::Layer;
use crate::model::wire::Wire;
use crate::print::grid::{Cell, Tone};
use crate::print::rows::Row;
use crate::verdict::report::{ClientView, ObservedView, OneOrMany, Pair, PeerView, ServerView};

/// Nothing to say in a column.
const NOTHING: &str = "-";
/// A data plane that is not judged.
const AMBIENT: &str = "?(ambient)";

/// A column of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its header.
    pub(super) header: &'static str,
    /// What it says about a pair.
    pub(super) cell: fn(&Pair) -> Cell,
    /// Whether clients that differ in it alone still fare alike.
    pub(super) of_client: bool,
    /// Whether pairs that fare alike agree in it.
    pub(super) of_class: bool,
    /// Whether its texts are names that may be elided on a narrow terminal.
    pub(super) name: bool,
}

/// The columns of `-o table`.
pub(super) fn table() -> Vec<Column> {
    vec![
        Column { of_client: true, name: true, ..column("CLIENT", |pair| Cell::plain(&client_name(&pair.client))) },
        Column { name: true, ..column("SERVICE", |pair| Cell::plain(&server_name(&pair.server))) },
        of_class("RESULT", result),
        of_class("SENDS", |pair| Cell::plain(&sends(pair))),
        of_class("ACCEPTS", |pair| Cell::plain(&accepts(pair))),
        Column { name: true, ..column("DECIDED-BY", |pair| Cell::plain(&decided_by(pair))) },
        of_class("HTTP", |pair| Cell::plain(&http(pair))),
        column("SEEN-BY", |pair| Cell::plain(&seen_by(pair))),
    ]
}

/// The columns of `-o wide`: the same, and more at the right.
pub(super) fn wide() -> Vec<Column> {
    let mut columns = table();
    columns.extend([
        of_class("WHY", |pair| Cell::plain(pair.intent.why.unwrap_or(NOTHING))),
        Column { of_client: true, ..column("PEER", |pair| Cell::plain(&peer(pair))) },
        column("POLICY-LAYER", |pair| Cell::plain(layer(pair.decided_by.layer))),
        column("SERVER-HEADER", |pair| Cell::plain(server_header(pair))),
    ]);
    columns
}

fn column(header: &'static str, cell: fn(&Pair) -> Cell) -> Column {
    Column { header, cell, of_client: false, of_class: false, name: false }
}

fn of_class(header: &'static str, cell: fn(&Pair) -> Cell) -> Column {
    Column { of_class: true, ..column(header, cell) }
}

// === impl Column ===

impl Column {
    /// The cell of a row. Where its clients differ the first stands for all, in the words `kubectl get endpoints` uses.
    pub(super) fn of_row(&self, row: &Row<'_>) -> Cell {
        let first = (self.cell)(row.pair);
        let unlisted = row.pair.more + row.alike.iter().map(|pair| pair.more).sum::<usize>();
        if !self.of_client || row.alike.len() + unlisted == 0 {
            return first;
        }
        let others: BTreeSet<String> = row.alike.iter().map(|pair| (self.cell)(pair).text).collect();
        match others.into_iter().filter(|text| *text != first.text).count() + unlisted {
            0 => first,
            more => Cell { text: format!("{} + {more} more...", first.text), ..first },
        }
    }
}

/// `workload.namespace`, with the pod where pods of the workload differ.
pub(super) fn client_name(client: &ClientView) -> String {
    if client.told_apart {
        format!("{}({}).{}", client.workload, client.pod, client.namespace)
    } else {
        format!("{}.{}", client.workload, client.namespace)
    }
}

/// `service.namespace:port`, or `host:port` of a `ServiceEntry`.
pub(super) fn server_name(server: &ServerView) -> String {
    match (&server.service, &server.host) {
        (Some(service), _) => format!("{service}.{}:{}", server.namespace, server.port),
        (None, Some(host)) => format!("{host}:{}", server.port),
        (None, None) => format!("{NOTHING}.{}:{}", server.namespace, server.port),
    }
}

/// The table's word for a wire.
pub(super) fn wire_word(wire: Wire) -> &'static str {
    match wire {
        Wire::MutualTls => "mTLS",
        Wire::Plaintext => "plaintext",
        Wire::Tls => "TLS",
        Wire::Refused => "refused",
        Wire::Mixed => "mixed",
        Wire::Depends => "depends",
        Wire::None => "none",
        Wire::Unknown => "unknown",
    }
}

fn result(pair: &Pair) -> Cell {
    let word = wire_word(pair.verdict);
    match (pair.conflict, pair.verdict) {
        (true, Wire::Refused) => Cell::toned("CONFLICT", Tone::Bad),
        // Policies contradict each other and the wire has not followed, or not at every endpoint.
        (
            true,
            Wire::MutualTls | Wire::Plaintext | Wire::Tls | Wire::Mixed | Wire::Depends | Wire::None | Wire::Unknown,
        ) => Cell::toned(&format!("CONFLICT/{word}"), Tone::Bad),
        (false, Wire::MutualTls) => Cell::toned(word, Tone::Good),
        (false, Wire::Refused | Wire::Mixed) => Cell::toned(word, Tone::Warn),
        (false, Wire::Unknown) => Cell::toned(word, Tone::Dim),
        (false, Wire::Plaintext | Wire::Tls | Wire::Depends | Wire::None) => Cell::plain(word),
    }
}

/// `plaintext(DISABLE)`: the bytes, and the rule that asks for them.
fn sends(pair: &Pair) -> String {
    if pair.client.proxy.is_ambient() {
        return AMBIENT.to_owned();
    }
    let kind = match pair.originates.kind {
        "mutual-tls" => "mTLS",
        "tls" | "tls-client-cert" => "TLS",
        other => other,
    };
    let mode = match pair.originates.mode {
        "AUTO" => "auto",
        "NO_PROXY" => "no-proxy",
        other => other,
    };
    format!("{kind}({mode})")
}

/// The modes of the endpoints that count; several where they differ.
fn accepts(pair: &Pair) -> String {
    let counted = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self);
    let modes: BTreeSet<(bool, &str)> =
        counted.map(|endpoint| (endpoint.proxy.is_ambient(), endpoint.accepts.mode)).collect();
    let word = |(ambient, mode)| match mode {
        _ if ambient => AMBIENT,
        "NO_PROXY" => "any(no-proxy)",
        mode => mode,
    };
    let mut words: Vec<&str> = modes.into_iter().map(word).collect();
    words.dedup();
    or_nothing(words.join(","))
}

fn decided_by(pair: &Pair) -> String {
    let ambient = pair.client.proxy.is_ambient() || pair.endpoints.iter().any(|endpoint| endpoint.proxy.is_ambient());
    if ambient && pair.verdict == Wire::Unknown { NOTHING.to_owned() } else { pair.decided_by.short() }
}

/// What curl printed, else what it would print; with its exit code where that is not 0.
fn http(pair: &Pair) -> String {
    match (&pair.observed, &pair.intent.http) {
        (ObservedView::Seen(seen), _) => with_exit(&seen.http, &[seen.exit]),
        (ObservedView::Unseen(_), Some(http)) => {
            let exits = pair.intent.exit.as_ref().map_or(&[][..], OneOrMany::values);
            with_exit(&http.values().join("|"), exits)
        }
        (ObservedView::Unseen(_), None) => NOTHING.to_owned(),
    }
}

fn with_exit(http: &str, exits: &[u8]) -> String {
    if exits.iter().all(|exit| *exit == 0) {
        return http.to_owned();
    }
    let exits: Vec<String> = exits.iter().map(u8::to_string).collect();
    format!("{http}/{}", exits.join("|"))
}

/// The witnesses that agree, as users know them.
fn seen_by(pair: &Pair) -> String {
    let words = pair.confirmed_by.iter().map(|witness| match *witness {
        "intent" => "policy",
        "programmed" => "proxies",
        "observed" => "wire",
        other => other,
    });
    or_nothing(words.collect::<Vec<_>>().join(","))
}

fn peer(pair: &Pair) -> String {
    match &pair.observed {
        ObservedView::Seen(seen) => match &seen.peer {
            PeerView::Seen { uri, .. } => uri.clone(),
            PeerView::Absent { absent } => format!("<{absent}>"),
        },
        ObservedView::Unseen(_) => NOTHING.to_owned(),
    }
}

fn server_header(pair: &Pair) -> &str {
    match &pair.observed {
        ObservedView::Seen(seen) => seen.server.as_deref().unwrap_or(NOTHING),
        ObservedView::Unseen(_) => NOTHING,
    }
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Default => "default",
        Layer::Mesh => "mesh",
        Layer::Namespace => "namespace",
        Layer::Workload => "workload",
        Layer::Port => "port",
        Layer::TrafficPolicy => "trafficPolicy",
        Layer::Subset => "subset",
        Layer::Route => "route",
    }
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text }
}
