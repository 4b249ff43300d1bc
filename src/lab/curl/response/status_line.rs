//! The first line of an answer.

use crate::lab::curl::code::{Code, Failure};

/// Whether a first line, complete or not, is or may become `HTTP/`.
pub(super) fn may_begin(line: &[u8]) -> bool {
    let length = line.len().min(5);
    line.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/".get(..length).unwrap_or_default()))
}

/// Version and status of `HTTP/1.1 200 ...`, with `sscanf`'s tolerance.
pub(super) fn parse(text: &str) -> Result<(u8, u16), Failure> {
    let unsupported = |text: &'static str| Code::UnsupportedProtocol.saying(text);
    let rest = text.get(5..).unwrap_or_default();
    let mut chars = rest.chars();
    let (major, dot, minor, separator) = (chars.next(), chars.next(), chars.next(), chars.next());
    let digit = |c: Option<char>| c.and_then(|c| c.to_digit(10));
    let (Some(major), Some('.'), Some(minor)) = (digit(major), dot, digit(minor)) else {
        return short(rest);
    };
    let after = chars.as_str().trim_start_matches([' ', '\t']);
    let digits: String = after.chars().take(3).take_while(char::is_ascii_digit).collect();
    let fourth = after.get(digits.len()..).and_then(|rest| rest.chars().next());
    let status = digits.parse::<u16>().ok();
    if fourth.is_some_and(|c| c.is_ascii_digit()) || status.is_some_and(|status| status < 100) {
        return Err(unsupported("Unsupported response code in HTTP response"));
    }
    match (status, separator) {
        (Some(status), Some(' ')) => known_version(major * 10 + minor, status),
        _ => Err(unsupported("Unsupported HTTP version in response")),
    }
}

/// `HTTP/2 200`, and what is no version at all.
fn short(rest: &str) -> Result<(u8, u16), Failure> {
    let major = rest.chars().next().and_then(|c| c.to_digit(10));
    let status = rest.get(1..).and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok());
    match (major, status) {
        (Some(major @ (2 | 3)), Some(status)) => known_version(major * 10, status),
        (None, _) if !rest.trim_start().starts_with(|c: char| c.is_ascii_digit()) => Ok((10, 200)),
        _ => Err(Code::UnsupportedProtocol.saying("Unsupported HTTP version in response")),
    }
}

/// curl takes a head of HTTP/2 in the clothes of HTTP/1.
fn known_version(version: u32, status: u16) -> Result<(u8, u16), Failure> {
    match version {
        10 => Ok((10, status)),
        11 => Ok((11, status)),
        20 => Ok((20, status)),
        other => Err(Code::UnsupportedProtocol.saying(format!(
            "Unsupported HTTP version ({}.{}) in response",
            other / 10,
            other % 10
        ))),
    }
}
