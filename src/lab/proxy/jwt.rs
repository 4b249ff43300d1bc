//! Tokens of callers, checked as Envoy's `jwt_authn` does, refused in its words.
//!
//! Texts: `jwt_verify_lib` of Google, `src/status.cc`; order: Envoy `source/extensions/filters/http/jwt_authn/authenticator.cc`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, HeaderMap};
use rustls::crypto::CryptoProvider;
use serde_json::Value;

use crate::lab::desired::access::{Access, TokenRule};

mod keys;

/// What became of a caller's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// There is none, and none is needed.
    Absent,
    /// It is good: `iss/sub`, and whether the application sees it.
    Good {
        /// The caller's name in rules.
        principal: String,
        /// Whether it stays in the request.
        forwards: bool,
    },
    /// It is not.
    Refused(Refused),
}

/// Why a token is refused, in Envoy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

/// Seconds that clocks may differ (`clock_skew_seconds`).
const SKEW: i64 = 60;
/// The one refusal that is no 401.
pub(super) const AUDIENCE: Refused = Refused("Audiences in Jwt are not allowed");
/// The one refusal where nothing was shown.
pub(super) const MISSING: Refused = Refused("Jwt is missing");
const FORM: Refused = Refused("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");

/// Checks the token of a request, if it has to have one or has one.
pub(super) fn check(access: &Access, headers: &HeaderMap, provider: &CryptoProvider) -> Checked {
    if access.tokens.is_empty() {
        return Checked::Absent;
    }
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = shown else {
        return if access.token_required { Checked::Refused(MISSING) } else { Checked::Absent };
    };
    let now = jiff::Timestamp::now().as_second();
    match verified(token.trim(), &access.tokens, now, provider) {
        Ok((principal, rule)) => Checked::Good { principal, forwards: rule.forwards },
        Err(refused) => Checked::Refused(refused),
    }
}

fn verified<'r>(
    token: &str,
    rules: &'r [TokenRule],
    now: i64,
    provider: &CryptoProvider,
) -> Result<(String, &'r TokenRule), Refused> {
    let mut parts = token.split('.');
    let (Some(head), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(FORM);
    };
    let head = object(head).ok_or(Refused("Jwt header is an invalid JSON"))?;
    let claims = object(payload).ok_or(Refused("Jwt payload is an invalid JSON"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let rule = rules.iter().find(|rule| rule.issuer == text("iss"));
    let rule = rule.ok_or(Refused("Jwt issuer is not configured"))?;
    let moment = |name: &str| claims.get(name).and_then(Value::as_i64);
    if moment("nbf").is_some_and(|begin| begin > now + SKEW) {
        return Err(Refused("Jwt not yet valid"));
    }
    if moment("exp").is_some_and(|end| end < now - SKEW) {
        return Err(Refused("Jwt is expired"));
    }
    if !rule.audiences.is_empty() && !audiences(&claims).any(|named| rule.audiences.iter().any(|a| a == named)) {
        return Err(AUDIENCE);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| keys::FAILED)?;
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
    keys::verify(&rule.jwks, &head, signed.as_bytes(), &signature, provider)?;
    Ok((format!("{}/{}", text("iss"), text("sub")), rule))
}

/// `aud`: one, or several.
fn audiences(claims: &Value) -> impl Iterator<Item = &str> {
    let named = claims.get("aud");
    let several = named.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    named.into_iter().chain(several).filter_map(Value::as_str)
}

fn object(encoded: &str) -> Option<Value> {
    let text = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    serde_json::from_slice(&text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::{Refused, verified};
    use crate::lab::authority::Authority;
    use crate::lab::desired::access::TokenRule;

    /// RFC 7515, appendix A.2 (RS256) and A.3 (ES256): one payload, two keys.
    const RS256: &str = include_str!("jwt/rfc7515-a2.txt");
    const ES256: &str = include_str!("jwt/rfc7515-a3.txt");
    /// Before its `exp`, 1300819380.
    const THEN: i64 = 1_300_819_000;

    fn read(text: &str) -> (TokenRule, String) {
        let mut lines = text.lines();
        let token = lines.next().unwrap_or_default().to_owned();
        let jwks = format!("{{\"keys\":[{}]}}", lines.next().unwrap_or_default());
        (TokenRule { issuer: "joe".to_owned(), jwks, ..TokenRule::default() }, token)
    }

    fn ask(rule: &TokenRule, token: &str, now: i64) -> Result<String, Refused> {
        let Ok(authority) = Authority::new("example.com") else { return Err(Refused("no provider")) };
        verified(token, std::slice::from_ref(rule), now, authority.provider()).map(|(principal, _)| principal)
    }

    #[test]
    fn signatures_of_the_rfc_hold_and_others_do_not() {
        for text in [RS256, ES256] {
            let (rule, token) = read(text);
            assert_eq!(ask(&rule, &token, THEN), Ok("joe/".to_owned()));
            let bent = format!("{}AA", token.trim_end_matches(|c: char| c != '.'));
            assert_eq!(ask(&rule, &bent, THEN), Err(Refused("Jwt verification fails")));
        }
        let ((rule, _), (_, token)) = (read(RS256), read(ES256));
        assert_eq!(ask(&rule, &token, THEN), Err(Refused("Jwks doesn't have key to match kid or alg from Jwt")));
    }

    #[test]
    fn what_is_wrong_is_said_before_the_signature_is_looked_at() {
        let (rule, token) = read(RS256);
        assert_eq!(ask(&rule, &token, THEN + 1000), Err(Refused("Jwt is expired")));
        let other = TokenRule { issuer: "jane".to_owned(), ..rule.clone() };
        assert_eq!(ask(&other, &token, THEN), Err(Refused("Jwt issuer is not configured")));
        let narrow = TokenRule { audiences: vec!["x".to_owned()], ..rule.clone() };
        assert_eq!(ask(&narrow, &token, THEN), Err(super::AUDIENCE));
        assert_eq!(ask(&rule, "not-a-jwt", THEN), Err(super::FORM));
    }
}
