//! Istio: `ValidatePeerAuthentication`.

use serde_json::Value;

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::selector;
use crate::decode::value::{at, labels};

pub(super) fn check(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    selector(spec, path, ["selector", "matchLabels"], found);
    let Some(ports) = at(spec, &["portLevelMtls"]).and_then(Value::as_object) else { return };
    let path = path.field("portLevelMtls");
    if labels(spec, &["selector", "matchLabels"]).is_empty() {
        found.push(Finding {
            hint: Some("name the workloads in `spec.selector.matchLabels`".to_owned()),
            ..Finding::invalid(path.clone(), "needs a selector with labels")
        });
    }
    for key in ports.keys() {
        if !key.parse::<u16>().is_ok_and(|port| port > 0) {
            found.push(Finding::invalid(path.key(key), "has a key that is no port between 1 and 65535"));
        }
    }
}
