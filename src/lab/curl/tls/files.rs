//! Certificates and keys from files, and what curl says when they cannot be used (`cert_stuff`, `populate_x509_store`).

use std::io;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::lab::curl::arguments::Files;
use crate::lab::curl::code::{Code, Failure};
use crate::lab::curl::operation::TlsOptions;
use crate::lab::curl::stream::system_text;

/// A client certificate with its chain, and its key.
#[derive(Debug)]
pub(super) struct Identity {
    /// Leaf first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub(super) key: PrivateKeyDer<'static>,
}

/// OpenSSL's word for a file without a PEM block of the wanted kind.
const NO_START_LINE: &str = "error:0480006C:PEM routines::no start line";

/// OpenSSL's word for bytes that begin no certificate.
const NOT_ENOUGH_DATA: &str = "error:0680008E:asn1 encoding routines::not enough data";

/// The authorities of `--cacert`. Without it there are none: pods have no bundle, and `--capath` would need a directory.
pub(super) fn roots(options: &TlsOptions, files: &dyn Files) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(name) = &options.ca_file else { return Ok(Vec::new()) };
    let roots = files.read(name).map(|bytes| certificates(&bytes)).unwrap_or_default();
    if roots.is_empty() && !options.insecure {
        return Err(Code::SslCacertBadfile.saying(format!("error setting certificate file: {name}")));
    }
    Ok(roots)
}

/// What `--cert` and `--key` name.
pub(super) fn identity(
    options: &TlsOptions,
    files: &dyn Files,
    provider: &CryptoProvider,
) -> Result<Option<Identity>, Failure> {
    let Some(name) = &options.certificate else { return Ok(None) };
    let problem = |text: String| Code::SslCertproblem.saying(text);
    let chain = match Kind::of(options.certificate_type.as_deref()) {
        Some(Kind::Pem) => pem_chain(name, files).map_err(|why| {
            problem(format!(
                "could not load PEM client certificate from {name}, OpenSSL error {why}, (no key found, wrong pass phrase, or \
                 wrong file format?)"
            ))
        })?,
        Some(Kind::Der) => der_chain(name, files).map_err(|why| {
            problem(format!(
                "could not load ASN1 client certificate from {name}, OpenSSL error {why}, (no key found, wrong pass phrase, \
                 or wrong file format?)"
            ))
        })?,
        None => {
            let kind = options.certificate_type.as_deref().unwrap_or_default();
            return Err(problem(format!("not supported file type '{kind}' for certificate")));
        }
    };
    let key_name = options.key.as_ref().unwrap_or(name);
    let kind = options.key_type.as_deref().or(options.certificate_type.as_deref());
    let Some(key_kind) = Kind::of(kind) else {
        return Err(problem("not supported file type for private key".to_owned()));
    };
    let key = private_key(key_name, key_kind, files).filter(|key| fits(&chain, key, provider));
    let shown = options.key_type.as_deref().unwrap_or("PEM");
    let key = key.ok_or_else(|| problem(format!("unable to set private key file: '{key_name}' type {shown}")))?;
    Ok(Some(Identity { chain, key }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pem,
    Der,
}

// === impl Kind ===

impl Kind {
    fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Pem),
            Some(name) if name.eq_ignore_ascii_case("PEM") => Some(Self::Pem),
            Some(name) if name.eq_ignore_ascii_case("DER") => Some(Self::Der),
            Some(_) => None,
        }
    }
}

fn certificates(bytes: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(bytes).filter_map(Result::ok).collect()
}

/// The content, or OpenSSL's word for why there is none.
fn read(name: &str, files: &dyn Files) -> Result<Vec<u8>, String> {
    files.read(name).map_err(|error| {
        let number = error.raw_os_error().unwrap_or(match error.kind() {
            io::ErrorKind::PermissionDenied => 13,
            _ => 2,
        });
        let text = system_text(&io::Error::from_raw_os_error(number));
        format!("error:{:08X}:system library::{text}", 0x8000_0000_u32 | number.unsigned_abs())
    })
}

fn pem_chain(name: &str, files: &dyn Files) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = certificates(&read(name, files)?);
    if chain.is_empty() { Err(NO_START_LINE.to_owned()) } else { Ok(chain) }
}

fn der_chain(name: &str, files: &dyn Files) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(name, files)?;
    match X509Certificate::from_der(&bytes) {
        Ok(_) => Ok(vec![CertificateDer::from(bytes)]),
        Err(_) => Err(NOT_ENOUGH_DATA.to_owned()),
    }
}

fn private_key(name: &str, kind: Kind, files: &dyn Files) -> Option<PrivateKeyDer<'static>> {
    let bytes = files.read(name).ok()?;
    match kind {
        Kind::Pem => PrivateKeyDer::from_pem_slice(&bytes).ok(),
        Kind::Der => PrivateKeyDer::try_from(bytes).ok(),
    }
}

/// Whether the key is the certificate's.
fn fits(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>, provider: &CryptoProvider) -> bool {
    CertifiedKey::from_der(chain.to_vec(), key.clone_key(), provider).is_ok()
}
