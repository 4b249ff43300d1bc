//! What curl shows for an outcome, taking an application that answers 200.
//!
//! Measured on Envoy 1.36 to 1.40 and on a cluster: plaintext to STRICT without a client proxy is always 56; through a sidecar
//! that reads HTTP every refusal is a 503 with exit 0; over a TCP chain the exit is 56 where the server closes on plaintext and a
//! race of 52 and 56 where a TLS handshake fails.

use crate::intent::call::Call;
use crate::intent::via::Action;
use crate::model::pair::{Route, Symptom};
use crate::model::port::Payload;
use crate::model::wire::{Outcome, Sends, Why, Wire};

/// The symptom of a call; `None` where it cannot be told.
pub(crate) fn of(call: &Call<'_>) -> Option<Symptom> {
    let sends = call.ends.iter().find(|end| !end.is_self).and_then(|end| end.sends);
    let of_route = of_outcome(call.outcome, call.codec, call.route.as_ref(), sends);
    match call.via.as_ref().map(|via| &via.action) {
        Some(Action::Answer { status, .. }) => Some(Symptom { http: vec![format!("{status:03}")], exit: vec![0] }),
        Some(Action::Forward { abort: Some(abort), .. }) => of_route.map(|mut symptom| {
            let other = format!("{:03}", abort.status);
            if !symptom.http.contains(&other) {
                symptom.http.push(other);
            }
            symptom
        }),
        Some(Action::Forward { abort: None, .. } | Action::Nothing) | None => of_route,
    }
}

fn of_outcome(
    outcome: Outcome,
    codec: Option<Payload>,
    route: Option<&Route>,
    sends: Option<Sends>,
) -> Option<Symptom> {
    let answer = |http: &str, exits: &[u8]| Some(Symptom { http: vec![http.to_owned()], exit: exits.to_vec() });
    match outcome.wire {
        Wire::MutualTls | Wire::Plaintext => answer("200", &[0]),
        Wire::Tls | Wire::Mixed | Wire::Depends | Wire::None | Wire::Unknown => None,
        Wire::Refused => match (codec, route, outcome.why) {
            (None, _, Why::NothingListens) => answer("000", &[7]),
            (None, _, _) => answer("000", &[56]),
            (Some(Payload::Http), Some(Route::BlackHole), _) => answer("502", &[0]),
            (Some(Payload::Http), _, Why::NoRoute) => answer("404", &[0]),
            (Some(Payload::Http), _, _) => answer("503", &[0]),
            (Some(Payload::Tcp), Some(Route::BlackHole), _) => answer("000", &[52, 56]),
            (Some(Payload::Tcp), _, Why::NoFilterChain) if sends == Some(Sends::Plaintext) => answer("000", &[56]),
            (Some(Payload::Tcp), _, _) => answer("000", &[52, 56]),
        },
    }
}
