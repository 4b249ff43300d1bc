//! RFC 6902 as an API server takes it.

use bytes::Bytes;
use serde_json::Value;

use crate::lab::kube_api::status::Refusal;
use crate::model::json_patch::{self, Misfit, Step};

/// Reads the steps.
pub fn parse(bytes: &Bytes) -> Result<Vec<Step>, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))
}

/// Takes the steps.
pub fn apply(steps: &[Step], target: &mut Value) -> Result<(), Refusal> {
    json_patch::apply(steps, target).map_err(|misfit| refuse(&misfit))
}

/// API servers answer a patch that does not fit with 422, without details.
fn refuse(misfit: &Misfit) -> Refusal {
    let mut refusal =
        Refusal::bad_request(format!("the server rejected our request due to an error in our request: {misfit}"));
    refusal.code = http::StatusCode::UNPROCESSABLE_ENTITY;
    refusal.reason = "Invalid";
    refusal
}
