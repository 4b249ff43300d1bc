//! Tokens as the cases show them, of an issuer that is made here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kubectl_mtls::lab::desired::access::TokenRule;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};

const ISSUER: &str = "issuer@example.com";

/// An issuer of tokens.
pub(crate) struct Issuer {
    key: KeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        Self { key: KeyPair::generate().expect("a key") }
    }

    /// What is told to the proxy about the issuer.
    pub(crate) fn rule(&self) -> TokenRule {
        let point = self.key.der_bytes();
        let (x, y) = point[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let key = serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y });
        let jwks = serde_json::json!({ "keys": [key] }).to_string();
        TokenRule { issuer: ISSUER.to_owned(), jwks, ..TokenRule::default() }
    }

    /// The token that a case calls by this name; `None` where the caller shows none.
    pub(crate) fn token(&self, name: &str) -> Option<String> {
        let (issuer, expires) = match name {
            "good" => (ISSUER, 4_102_444_800_i64),
            "expired" => (ISSUER, 1_600_000_000),
            "badiss" => ("somebody@example.com", 4_102_444_800),
            "garbage" => return Some("not-a-jwt".to_owned()),
            "missing" => return None,
            other => panic!("{other}"),
        };
        let head = serde_json::json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" });
        let claims = serde_json::json!({ "iss": issuer, "sub": "somebody", "exp": expires });
        let signed = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = self.key.sign(signed.as_bytes()).expect("a signature");
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(side_by_side(&signature))))
    }
}

/// The two numbers of a signature as tokens have them (RFC 7518, section 3.4).
fn side_by_side(der: &[u8]) -> Vec<u8> {
    let length = usize::from(der[3]);
    let (first, second) = (&der[4..4 + length], &der[6 + length..]);
    [first, second].map(padded).concat()
}

fn padded(number: &[u8]) -> Vec<u8> {
    let bare: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    [vec![0; 32 - bare.len()], bare].concat()
}
