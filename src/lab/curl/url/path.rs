//! Paths of URLs: dots, and the characters that are encoded.

use std::fmt::Write;

/// RFC 3986 section 5.2.4, as `dedotdotify` does it.
pub(super) fn without_dots(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")) {
            rest = tail;
        } else if rest.starts_with("/./") {
            rest = rest.get(2..).unwrap_or_default();
        } else if rest == "/." {
            rest = "/";
        } else if rest.starts_with("/../") || rest == "/.." {
            out.truncate(out.rfind('/').unwrap_or(0));
            rest = if rest == "/.." { "/" } else { rest.get(3..).unwrap_or_default() };
        } else if matches!(rest, "." | "..") {
            break;
        } else {
            let end = rest.get(1..).and_then(|tail| tail.find('/')).map_or(rest.len(), |at| at + 1);
            let (segment, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
            out.push_str(segment);
            rest = tail;
        }
    }
    out
}

/// Blanks and bytes outside ASCII of a `Location`, encoded; blanks in a query as `+` (`urlencode_str`).
pub(super) fn encoded(location: &str, absolute: bool) -> String {
    let host_end = if absolute {
        let from = location.find("//").map_or(0, |at| at + 2);
        location.get(from..).and_then(|tail| tail.find(['/', '?'])).map_or(location.len(), |at| from + at)
    } else {
        0
    };
    let mut out = String::new();
    let mut in_query = false;
    for (at, c) in location.char_indices() {
        match c {
            _ if at < host_end => out.push(c),
            ' ' if in_query => out.push('+'),
            ' ' => out.push_str("%20"),
            c if c.is_ascii() => {
                in_query |= c == '?';
                out.push(c);
            }
            c => push_encoded(&mut out, c),
        }
    }
    out
}

/// A path as it goes into the request line: what is outside of ASCII is encoded.
pub(super) fn ascii(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if c.is_ascii() { out.push(c) } else { push_encoded(&mut out, c) }
    }
    out
}

fn push_encoded(out: &mut String, c: char) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // Writing to a String cannot fail.
        let _ = write!(out, "%{byte:02x}");
    }
}
