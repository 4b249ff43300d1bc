//! Options about the connection: addresses, time limits, TLS.

use super::Takes::{File, Nothing, Switch, Text};
use super::{Known, Parser, Stop, attempt, number, seconds, set};
use crate::lab::curl::arguments::Mistake;
use crate::lab::curl::operation::{Family, TlsVersion};

/// How the server is reached.
pub(super) const OPTIONS: &[Known] = &[
    attempt("max-time", Text, |p, v, _| {
        let limit = seconds(v)?;
        p.operation.max_time = (!limit.is_zero()).then_some(limit);
        Ok(())
    })
    .letter('m'),
    attempt("connect-timeout", Text, |p, v, _| {
        let limit = seconds(v)?;
        p.operation.connect_timeout = (!limit.is_zero()).then_some(limit);
        Ok(())
    }),
    set("ipv4", Nothing, |p, _, _| p.operation.family = Family::V4).letter('4'),
    set("ipv6", Nothing, |p, _, _| p.operation.family = Family::V6).letter('6'),
    set("resolve", Text, |p, v, _| p.operation.resolve.push(v.to_owned())),
    set("connect-to", Text, |p, v, _| p.operation.connect_to.push(v.to_owned())),
    attempt("proto", Text, |p, v, _| protocols(p, v)),
    attempt("proto-default", Text, |p, v, _| {
        if !PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(v)) {
            return Err(Mistake::UnsupportedProtocol.into());
        }
        p.operation.default_protocol = Some(v.to_ascii_lowercase());
        Ok(())
    }),
    attempt("retry", Text, |p, v, _| {
        p.operation.retry.times = number(v)?;
        Ok(())
    }),
    attempt("retry-delay", Text, |p, v, _| {
        p.operation.retry.delay = number(v)?;
        Ok(())
    }),
    attempt("retry-max-time", Text, |p, v, _| {
        p.operation.retry.max_time = number(v)?;
        Ok(())
    }),
    set("retry-connrefused", Switch, |p, _, on| p.operation.retry.refused = on),
    set("retry-all-errors", Switch, |p, _, on| p.operation.retry.all_errors = on),
    set("insecure", Switch, |p, _, on| p.operation.tls.insecure = on).letter('k'),
    set("cacert", File, |p, v, _| p.operation.tls.ca_file = Some(v.to_owned())),
    set("capath", File, |p, v, _| p.operation.tls.ca_path = Some(v.to_owned())),
    set("cert", File, |p, v, _| certificate(p, v)).letter('E'),
    set("cert-type", Text, |p, v, _| p.operation.tls.certificate_type = Some(v.to_owned())),
    set("key", File, |p, v, _| p.operation.tls.key = Some(v.to_owned())),
    set("key-type", Text, |p, v, _| p.operation.tls.key_type = Some(v.to_owned())),
    set("pass", Text, |p, v, _| p.operation.tls.password = Some(v.to_owned())),
    set("tlsv1", Nothing, |p, _, _| p.operation.tls.lowest = Some(TlsVersion::Tls10)).letter('1'),
    set("tlsv1.0", Nothing, |p, _, _| p.operation.tls.lowest = Some(TlsVersion::Tls10)),
    set("tlsv1.1", Nothing, |p, _, _| p.operation.tls.lowest = Some(TlsVersion::Tls11)),
    set("tlsv1.2", Nothing, |p, _, _| p.operation.tls.lowest = Some(TlsVersion::Tls12)),
    set("tlsv1.3", Nothing, |p, _, _| p.operation.tls.lowest = Some(TlsVersion::Tls13)),
    attempt("tls-max", Text, |p, v, _| {
        p.operation.tls.highest = match v {
            "default" => None,
            "1.0" => Some(TlsVersion::Tls10),
            "1.1" => Some(TlsVersion::Tls11),
            "1.2" => Some(TlsVersion::Tls12),
            "1.3" => Some(TlsVersion::Tls13),
            _ => return Err(Mistake::BadUse.into()),
        };
        Ok(())
    }),
    set("alpn", Switch, |p, _, on| p.operation.tls.no_alpn = !on),
    set("npn", Switch, |p, _, _| p.warn("--npn is no longer supported")),
    set("sslv2", Nothing, |p, _, _| p.warn("Ignores instruction to use SSLv2")).letter('2'),
    set("sslv3", Nothing, |p, _, _| p.warn("Ignores instruction to use SSLv3")).letter('3'),
    attempt("proxy", Text, |_, v, _| no_proxy(v)).letter('x'),
];

/// Schemes `--proto` knows by name; this curl speaks the first two.
const PROTOCOLS: &[&str] = &[
    "http", "https", "dict", "file", "ftp", "ftps", "gopher", "gophers", "imap", "imaps", "ldap", "ldaps", "mqtt",
    "pop3", "pop3s", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", "rtsp", "scp", "sftp", "smb", "smbs",
    "smtp", "smtps", "telnet", "tftp",
];

/// `proto2num`: names with `+` (also), `-` (not) or `=` (only) in front.
fn protocols(p: &mut Parser<'_>, value: &str) -> Result<(), Stop> {
    let mut allowed: Vec<String> = PROTOCOLS.iter().map(|&name| name.to_owned()).collect();
    for token in value.split(',').filter(|token| !token.is_empty()) {
        let name = token.trim_start_matches(['=', '-', '+']);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(Mistake::BadUse.into());
        }
        let action = token.strip_suffix(name).and_then(|modifiers| modifiers.chars().last()).unwrap_or('+');
        let known = PROTOCOLS.iter().find(|known| known.eq_ignore_ascii_case(name));
        match (known, action) {
            _ if name.eq_ignore_ascii_case("all") => {
                allowed =
                    if action == '-' { Vec::new() } else { PROTOCOLS.iter().map(|&all| all.to_owned()).collect() };
            }
            (Some(known), '-') => allowed.retain(|name| name != known),
            (Some(&known), '=') => allowed = vec![known.to_owned()],
            (Some(&known), _) => allowed.push(known.to_owned()),
            (None, _) => {
                if action == '=' {
                    allowed.clear();
                }
                p.warn(&format!("unrecognized protocol '{name}'"));
            }
        }
    }
    p.operation.protocols = Some(allowed);
    Ok(())
}

/// `parse_cert_parameter`: a file, and a password after the first colon; `\:` and `\\` stand for themselves.
fn certificate(p: &mut Parser<'_>, value: &str) {
    let mut file = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => break,
            '\\' => match chars.next() {
                Some(escaped @ (':' | '\\')) => file.push(escaped),
                Some(other) => file.extend(['\\', other]),
                None => file.push('\\'),
            },
            other => file.push(other),
        }
    }
    let password = chars.as_str();
    p.operation.tls.certificate = (!value.is_empty()).then_some(file);
    if !password.is_empty() {
        p.operation.tls.password = Some(password.to_owned());
    }
}

/// An empty name switches proxies off, which is how it is here anyway.
fn no_proxy(value: &str) -> Result<(), Stop> {
    if value.is_empty() { Ok(()) } else { Err(Mistake::Unsupported.into()) }
}
