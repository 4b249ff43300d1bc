//! Hosts and ports of URLs.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Malformed;
use crate::lab::curl::percent;

/// `host`, `host:80`, `[::1]:80`; an empty port counts as none if there was a scheme.
pub(super) fn split_port(authority: &str, has_scheme: bool) -> Result<(&str, Option<u16>), Malformed> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(Malformed::Ipv6)? + 1;
        let (host, tail) = authority.split_at_checked(end).unwrap_or((authority, ""));
        match tail.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if tail.is_empty() => (host, None),
            None => return Err(Malformed::Port),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    match port {
        None => Ok((host, None)),
        Some("") if has_scheme => Ok((host, None)),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let port = digits.parse().map_err(|_| Malformed::Port)?;
            Ok((host, Some(port)))
        }
        Some(_) => Err(Malformed::Port),
    }
}

/// Addresses in their shortest form, names decoded and without characters names cannot have.
pub(super) fn normal(host: &str) -> Result<String, Malformed> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(Malformed::Ipv6)?;
        // A zone is kept out of the address; pods have no use for it.
        let address = inner.split('%').next().unwrap_or(inner);
        let parsed: Ipv6Addr = address.parse().map_err(|_| Malformed::Ipv6)?;
        let shortest = parsed.to_string();
        return Ok(format!("[{}]", if shortest.len() < address.len() { &shortest } else { address }));
    }
    if let Some(address) = loose_ipv4(host) {
        return Ok(address);
    }
    let decoded = String::from_utf8(percent::decode(host)).map_err(|_| Malformed::Host)?;
    let bad = |c: char| c.is_ascii_control() || " /:#?!@{}[]\\$'\"^`*<>=;,+&()".contains(c);
    match () {
        () if decoded.is_empty() => Err(Malformed::NoHost),
        () if decoded.contains(bad) => Err(Malformed::Host),
        // curl encodes what is left of the sign when it writes the URL down, and keeps it so.
        () => Ok(decoded.replace('%', "%25")),
    }
}

/// `127.1`, `0x7f000001`, `0177.0.0.1` and the like (`ipv4_normalize`).
fn loose_ipv4(host: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in host.split('.') {
        if !part.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let lower = part.to_ascii_lowercase();
        let number = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
            (Some(hex), _) => u32::from_str_radix(hex, 16),
            (None, Some(octal)) if !octal.is_empty() => u32::from_str_radix(octal, 8),
            (None, _) => lower.parse(),
        };
        parts.push(number.ok()?);
    }
    let (last, leading) = parts.split_last()?;
    let mut address = 0u32;
    let mut shift = 32u32;
    for part in leading {
        shift = shift.checked_sub(8)?;
        address |= u32::from(u8::try_from(*part).ok()?) << shift;
    }
    let fits = shift == 32 || (shift > 0 && u64::from(*last) < 1u64 << shift);
    fits.then(|| Ipv4Addr::from(address | *last).to_string())
}

/// `legacy curl-style guess based on host name`.
pub(super) fn guessed(host: &str) -> &'static str {
    let starts = |prefix: &str| host.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    match () {
        () if starts("ftp.") => "ftp",
        () if starts("dict.") => "dict",
        () if starts("ldap.") => "ldap",
        () if starts("imap.") => "imap",
        () if starts("smtp.") => "smtp",
        () if starts("pop3.") => "pop3",
        () => "http",
    }
}
