//! Options about what is asked for.

use super::Takes::{File, Nothing, Switch, Text};
use super::{Known, Parser, Stop, attempt, set, size};
use crate::lab::curl::arguments::Mistake;
use crate::lab::curl::operation::{HttpVersion, RequestKind};
use crate::lab::curl::percent;

/// What a request says.
pub(super) const OPTIONS: &[Known] = &[
    set("url", Text, |p, v, _| p.url(v)),
    attempt("header", Text, |p, v, _| header(p, v)).letter('H'),
    set("request", Text, |p, v, _| p.operation.method = Some(v.to_owned())).letter('X'),
    attempt("data", Text, |p, v, _| data(p, v, Reading::Lines)).letter('d'),
    attempt("data-ascii", Text, |p, v, _| data(p, v, Reading::Lines)),
    attempt("data-binary", Text, |p, v, _| data(p, v, Reading::Bytes)),
    attempt("data-raw", Text, |p, v, _| data(p, v, Reading::Never)),
    attempt("data-urlencode", Text, |p, v, _| {
        let encoded = urlencoded(p, v)?;
        append(p, encoded, Some(b'&'));
        Ok(())
    }),
    attempt("json", Text, |p, v, _| {
        let body = content(p, v, Reading::Bytes)?;
        p.operation.json = true;
        append(p, body, None);
        Ok(())
    }),
    attempt("url-query", Text, |p, v, _| query(p, v)),
    set("get", Switch, |p, _, on| p.operation.body_as_query = on).letter('G'),
    set("request-target", Text, |p, v, _| p.operation.request_target = Some(v.to_owned())),
    attempt("head", Switch, |p, _, on| {
        p.operation.head = on;
        p.operation.include = on;
        p.request(if on { RequestKind::Head } else { RequestKind::Get })
    })
    .letter('I'),
    set("user-agent", Text, |p, v, _| p.operation.user_agent = Some(v.to_owned())).letter('A'),
    set("referer", Text, |p, v, _| referer(p, v)).letter('e'),
    set("user", Text, |p, v, _| p.operation.user = Some(v.to_owned())).letter('u'),
    set("oauth2-bearer", Text, |p, v, _| p.operation.bearer = Some(v.to_owned())),
    attempt("cookie", Text, |p, v, _| cookie(p, v)).letter('b'),
    set("range", Text, |p, v, _| range(p, v)).letter('r'),
    set("compressed", Switch, |p, _, on| p.operation.compressed = on),
    set("globoff", Switch, |p, _, on| p.operation.glob_off = on).letter('g'),
    set("path-as-is", Switch, |p, _, on| p.operation.path_as_is = on),
    set("http1.0", Nothing, |p, _, _| version(p, HttpVersion::Http10)).letter('0'),
    set("http1.1", Nothing, |p, _, _| version(p, HttpVersion::Http11)),
    set("http0.9", Switch, |p, _, on| p.operation.http09 = on),
    set("raw", Switch, |p, _, on| p.operation.raw = on),
    set("ignore-content-length", Switch, |p, _, on| p.operation.ignore_content_length = on),
    set("location", Switch, |p, _, on| p.operation.location = on).letter('L'),
    set("location-trusted", Switch, |p, _, on| {
        p.operation.location = on;
        p.operation.location_trusted = on;
    }),
    attempt("max-redirs", Text, |p, v, _| {
        let most = super::signed(v)?;
        if most < -1 {
            return Err(Mistake::BadNumeric.into());
        }
        p.operation.max_redirs = most;
        Ok(())
    }),
    set("post301", Switch, |p, _, on| p.operation.keep_post.on_301 = on),
    set("post302", Switch, |p, _, on| p.operation.keep_post.on_302 = on),
    set("post303", Switch, |p, _, on| p.operation.keep_post.on_303 = on),
    attempt("max-filesize", Text, |p, v, _| {
        p.operation.max_filesize = size(p, v, "max-filesize")?;
        Ok(())
    }),
    attempt("next", Nothing, |_, _, _| Err(Stop::Next)).letter(':'),
    attempt("config", File, |p, v, _| p.config(v)).letter('K'),
];

/// What an `@` at the front of a body does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Names a file; line ends and NULs are dropped from it.
    Lines,
    /// Names a file.
    Bytes,
    /// Nothing.
    Never,
}

fn header(p: &mut Parser<'_>, value: &str) -> Result<(), Stop> {
    let Some(name) = value.strip_prefix('@') else {
        p.operation.headers.push(value.to_owned());
        return Ok(());
    };
    match p.read(name)? {
        Err(_) => p.warn(&format!("Failed to open {name}!")),
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            p.operation.headers.extend(text.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned));
        }
    }
    Ok(())
}

fn data(p: &mut Parser<'_>, value: &str, reading: Reading) -> Result<(), Stop> {
    let body = content(p, value, reading)?;
    append(p, body, Some(b'&'));
    Ok(())
}

/// The value, or what the file it names holds.
fn content(p: &mut Parser<'_>, value: &str, reading: Reading) -> Result<Vec<u8>, Stop> {
    let name = match value.strip_prefix('@') {
        Some(name) if reading != Reading::Never => name,
        Some(_) | None => return Ok(value.as_bytes().to_vec()),
    };
    let Ok(mut bytes) = p.read(name)? else {
        p.warn(&format!("Couldn't read data from file \"{name}\", this makes an empty POST."));
        return Ok(Vec::new());
    };
    if reading == Reading::Lines {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(bytes)
}

/// Adds to the body; parts of `-d` are joined by `&`, parts of `--json` by nothing.
fn append(p: &mut Parser<'_>, more: Vec<u8>, between: Option<u8>) {
    match &mut p.operation.body {
        Some(body) => {
            body.extend(between);
            body.extend(more);
        }
        None => p.operation.body = Some(more),
    }
}

/// `content`, `=content`, `name=content`, `@file`, `name@file`: only the content is encoded, spaces as `+`.
fn urlencoded(p: &mut Parser<'_>, value: &str) -> Result<Vec<u8>, Stop> {
    let split = value.split_once('=').map(|(name, content)| (name, content, false));
    let split = split.or_else(|| value.split_once('@').map(|(name, file)| (name, file, true)));
    let (name, content, file) = split.unwrap_or(("", value, false));
    let bytes = if file {
        p.read(content)?.unwrap_or_else(|_| {
            p.warn(&format!("Couldn't read data from file \"{value}\", this makes an empty POST."));
            Vec::new()
        })
    } else {
        content.as_bytes().to_vec()
    };
    let encoded = percent::encode(&bytes).replace("%20", "+");
    Ok(if name.is_empty() { encoded } else { format!("{name}={encoded}") }.into_bytes())
}

fn query(p: &mut Parser<'_>, value: &str) -> Result<(), Stop> {
    let more = match value.strip_prefix('+') {
        Some(literal) => literal.to_owned(),
        None => String::from_utf8_lossy(&urlencoded(p, value)?).into_owned(),
    };
    let query = match p.operation.query.take() {
        Some(query) => format!("{query}&{more}"),
        None => more,
    };
    p.operation.query = Some(query);
    Ok(())
}

/// `;auto` anywhere cuts the value and sends the previous URL after a redirect.
fn referer(p: &mut Parser<'_>, value: &str) {
    let (referer, auto) = match value.split_once(";auto") {
        Some((referer, _)) => (referer, true),
        None => (value, false),
    };
    p.operation.auto_referer = auto;
    p.operation.referer = (!referer.is_empty()).then(|| referer.to_owned());
}

/// Only `name=value`: a cookie file needs a disk and a cookie engine.
fn cookie(p: &mut Parser<'_>, value: &str) -> Result<(), Stop> {
    if value.starts_with('@') || !value.contains('=') {
        return Err(Mistake::Unsupported.into());
    }
    p.operation.cookies.push(value.to_owned());
    Ok(())
}

fn range(p: &mut Parser<'_>, value: &str) {
    let range = if value.starts_with(|c: char| c.is_ascii_digit()) && !value.contains('-') {
        p.warn("A specified range MUST include at least one dash (-). Appending one for you!");
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        format!("{digits}-")
    } else {
        if !value.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ',')) {
            p.warn(
                "Invalid character is found in given range. A specified range MUST have only digits in 'start'-'stop'. \
                 The server's response to this request is uncertain.",
            );
        }
        value.to_owned()
    };
    p.operation.range = Some(range);
}

fn version(p: &mut Parser<'_>, version: HttpVersion) {
    if p.operation.http_version.is_some_and(|earlier| earlier != version) {
        p.warn("Overrides previous HTTP version option");
    }
    p.operation.http_version = Some(version);
}
