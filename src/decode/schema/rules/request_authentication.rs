//! Istio: `ValidateRequestAuthentication`.

use serde_json::Value;

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::{selector, target};
use crate::decode::value::{at, items, owned, text};

pub(super) fn check(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    selector(spec, path, ["selector", "matchLabels"], found);
    target(spec, path, found);
    for (index, rule) in items(spec, &["jwtRules"]).iter().enumerate() {
        let path = path.field("jwtRules").item(index);
        let keys: Vec<&str> =
            ["jwks", "jwksUri", "jwks_uri"].into_iter().filter(|field| at(rule, &[field]).is_some()).collect();
        if keys.len() > 1 {
            found.push(Finding::invalid(path.clone(), format!("can have only one of {}", keys.join(", "))));
        }
        if owned(rule, &["issuer"]).is_none() && owned(rule, &["jwksUri"]).is_none() {
            found.push(Finding::invalid(path.field("issuer"), "is required where there is no jwksUri"));
        }
        for (index, output) in items(rule, &["outputClaimToHeaders"]).iter().enumerate() {
            let takes = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            let header = text(output, &["header"]).unwrap_or_default();
            if header.is_empty() || !header.chars().all(takes) {
                let path = path.field("outputClaimToHeaders").item(index).field("header");
                found.push(Finding::invalid(path, format!("is `{header}`, which is no name of a header")));
            }
        }
        for field in ["jwksUri", "jwks_uri"] {
            let has_scheme = |uri: &str| uri.starts_with("http://") || uri.starts_with("https://");
            if let Some(uri) = text(rule, &[field]).filter(|uri| !has_scheme(uri)) {
                found.push(Finding::invalid(
                    path.field(field),
                    format!("is `{uri}`; it must begin with http:// or https://"),
                ));
            }
        }
    }
}
