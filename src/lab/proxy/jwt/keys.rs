//! Public keys of an issuer (RFC 7517, RFC 7518), and signatures held against them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{AlgorithmIdentifier, alg_id};
use serde_json::Value;

use crate::lab::proxy::jwt::Refused;

/// No key made the signature.
pub(super) const FAILED: Refused = Refused("Jwt verification fails");
/// No key could have.
const NO_KEY: Refused = Refused("Jwks doesn't have key to match kid or alg from Jwt");
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// An elliptic curve's point, both coordinates in full (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// Holds a signature against the keys that fit the token's header.
pub(super) fn verify(
    jwks: &str,
    head: &Value,
    signed: &[u8],
    signature: &[u8],
    provider: &CryptoProvider,
) -> Result<(), Refused> {
    let set: Value = serde_json::from_str(jwks).unwrap_or_default();
    let (key_kind, signature_kind, kind) = match head.get("alg").and_then(Value::as_str) {
        Some("RS256") => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256, "RSA"),
        Some("RS384") => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384, "RSA"),
        Some("RS512") => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512, "RSA"),
        Some("ES256") => (alg_id::ECDSA_P256, alg_id::ECDSA_SHA256, "EC"),
        Some(_) | None => return Err(NO_KEY),
    };
    let fits = |key: &&Value| {
        let same = |name: &str| key.get(name).is_none() || head.get(name).is_none() || key.get(name) == head.get(name);
        key.get("kty").and_then(Value::as_str) == Some(kind) && same("kid") && same("alg")
    };
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut keys = keys.iter().filter(fits).filter_map(public_key).peekable();
    if keys.peek().is_none() {
        return Err(NO_KEY);
    }
    let signature = if kind == "EC" { der_signature(signature).ok_or(FAILED)? } else { signature.to_vec() };
    let made = |key: Vec<u8>| holds((key_kind, signature_kind), &key, signed, &signature, provider);
    if keys.any(made) { Ok(()) } else { Err(FAILED) }
}

fn holds(
    (key_kind, signature_kind): (AlgorithmIdentifier, AlgorithmIdentifier),
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
    provider: &CryptoProvider,
) -> bool {
    let algorithms = provider.signature_verification_algorithms.all.iter();
    let mut fitting = algorithms.filter(|algorithm| {
        algorithm.public_key_alg_id() == key_kind && algorithm.signature_alg_id() == signature_kind
    });
    fitting.any(|algorithm| algorithm.verify_signature(key, signed, signature).is_ok())
}

/// The key as a certificate has it (RFC 3279, section 2.3; RFC 5480, section 2.2).
fn public_key(key: &Value) -> Option<Vec<u8>> {
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    if key.get("kty").and_then(Value::as_str) == Some("RSA") {
        return Some(tagged(SEQUENCE, &[integer(&part("n")?), integer(&part("e")?)].concat()));
    }
    Some([vec![UNCOMPRESSED], part("x")?, part("y")?].concat())
}

/// Two numbers side by side (RFC 7518, section 3.4) as the pair that certificates have (RFC 3279, section 2.2.3).
fn der_signature(raw: &[u8]) -> Option<Vec<u8>> {
    let (first, second) = raw.split_at_checked(32).filter(|(_, second)| second.len() == 32)?;
    Some(tagged(SEQUENCE, &[integer(first), integer(second)].concat()))
}

/// A positive integer (X.690, section 8.3).
fn integer(bytes: &[u8]) -> Vec<u8> {
    let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(from..).unwrap_or_default();
    let sign = bytes.first().is_none_or(|byte| byte & 0x80 != 0).then_some(0);
    tagged(INTEGER, &sign.into_iter().chain(bytes.iter().copied()).collect::<Vec<u8>>())
}

/// A tag, its length (X.690, section 8.1.3), its contents.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let from = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let length = length.get(from..).unwrap_or_default();
    let short = matches!(length, [one] if *one < 0x80);
    let counted = u8::try_from(length.len()).unwrap_or_default() | 0x80;
    let head = std::iter::once(tag).chain((!short).then_some(counted));
    head.chain(length.iter().copied()).chain(contents.iter().copied()).collect()
}
