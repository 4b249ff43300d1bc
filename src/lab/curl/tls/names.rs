//! Whether a certificate is for the host (`ossl_verifyhost`, `hostcheck.c`).

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The error is what curl says.
pub(super) fn check(leaf: Option<&CertificateDer<'_>>, host: &str) -> Result<(), String> {
    let unnamed = || "SSL: unable to obtain common name from peer certificate".to_owned();
    let (_, certificate) = leaf.and_then(|leaf| X509Certificate::from_der(leaf).ok()).ok_or_else(unnamed)?;
    let address: Option<IpAddr> = host.parse().ok();
    let mut named = false;
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for name in &extension.value.general_names {
            let matched = match (name, address) {
                (GeneralName::DNSName(name), None) => is_for(name, host),
                (GeneralName::IPAddress(bytes), Some(IpAddr::V4(address))) => *bytes == address.octets(),
                (GeneralName::IPAddress(bytes), Some(IpAddr::V6(address))) => *bytes == address.octets(),
                _ => false,
            };
            if matched {
                return Ok(());
            }
            named |= matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_));
        }
    }
    if named {
        return Err(format!("SSL: no alternative certificate subject name matches target host name '{host}'"));
    }
    let common = certificate.subject().iter_common_name().last().and_then(|name| name.as_str().ok());
    match common {
        Some(common) if is_for(common, host) => Ok(()),
        Some(common) => {
            Err(format!("SSL: certificate subject name '{common}' does not match target host name '{host}'"))
        }
        None => Err(unnamed()),
    }
}

/// Names without regard to case and final dots; a star stands for (part of) the first label of a name with two dots or more.
fn is_for(pattern: &str, host: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern).to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let (Some((first, rest)), Some((label, domain))) = (pattern.split_once('.'), host.split_once('.')) else {
        return pattern == host;
    };
    let Some((front, back)) = first.split_once('*') else { return pattern == host };
    if !rest.contains('.') || pattern.starts_with("xn--") {
        return pattern == host;
    }
    host.parse::<IpAddr>().is_err()
        && rest == domain
        && label.len() >= first.len()
        && label.starts_with(front)
        && label.ends_with(back)
}
