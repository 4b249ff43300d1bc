//! The grammar of `-K` (`parseconfig` of `tool_parsecfg.c`).

use super::arguments::{Mistake, Parser, Stop};

/// Applies every line; a line that cannot be used is a warning, and reading goes on.
pub(super) fn apply(parser: &mut Parser<'_>, name: &str, content: &[u8]) -> Result<(), Stop> {
    let mut shown = name;
    for (index, bytes) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(bytes);
        let Some(line) = Line::parse(&text) else { continue };
        let at = format!("{}: warning: '{}'", index + 1, line.option);
        if line.followed {
            parser.warn(&format!("{shown}:{at} uses unquoted whitespace in the line that may cause side-effects!"));
        }
        let value = line.value.as_deref();
        let mistake = match parser.option(&line.option, value) {
            Ok(used) if !used && value.is_some_and(|value| !value.is_empty()) => Mistake::ExtraParameter,
            Ok(_) | Err(Stop::Help(_) | Stop::Manual | Stop::Version) => continue,
            Err(Stop::Next) => {
                parser.next();
                continue;
            }
            Err(Stop::StdinWanted) => return Err(Stop::StdinWanted),
            Err(Stop::Mistake(mistake)) => mistake,
        };
        // curl renames its standard input when the first mistake shows.
        shown = if shown == "-" { "<stdin>" } else { shown };
        parser.warn(&format!("{shown}:{at} {}", mistake.text()));
    }
    Ok(())
}

/// A line with something on it.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    option: String,
    value: Option<String>,
    /// Something that is no comment follows an unquoted value.
    followed: bool,
}

// === impl Line ===

impl Line {
    /// `None` for blank lines and comments, which begin with `#`, `/` or `*`.
    fn parse(line: &str) -> Option<Self> {
        // C strings end at a NUL.
        let line = line.split('\0').next().unwrap_or_default().trim_start_matches(is_space);
        if line.is_empty() || line.starts_with(['#', '/', '*']) {
            return None;
        }
        let dashed = line.starts_with('-');
        let ends = |c: char| is_space(c) || (!dashed && (c == '=' || c == ':'));
        let (option, rest) = line.split_once(ends).unwrap_or((line, ""));
        let rest = rest.trim_start_matches(ends);
        let option = option.to_owned();
        if let Some(quoted) = rest.strip_prefix('"') {
            return Some(Self { option, value: Some(unquote(quoted)), followed: false });
        }
        let (value, rest) = rest.split_once(is_space).unwrap_or((rest, ""));
        let rest = rest.trim_start_matches(is_space);
        let value = (!value.is_empty()).then(|| value.to_owned());
        Some(Self { option, value, followed: !rest.is_empty() && !rest.starts_with('#') })
    }
}

/// `ISSPACE`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Up to the closing quote; a backslash makes `\t`, `\n`, `\r`, `\v` and else keeps the letter after it.
fn unquote(quoted: &str) -> String {
    let mut out = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('v') => out.push('\x0b'),
                Some(other) => out.push(other),
                None => break,
            },
            other => out.push(other),
        }
    }
    out
}
