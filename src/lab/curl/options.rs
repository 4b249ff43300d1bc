//! The options curl 7.88.1 knows, by theme, and what each does to the part of the command line it stands in.
//!
//! Three kinds: those that take effect; those that change nothing for a plain HTTP request and are accepted (`IGNORED`); those
//! that would change the outcome and that this curl has not, which it refuses the way a curl built without them does
//! (`REFUSED`): `the installed libcurl version doesn't support this`, exit 2.

mod network;
mod output;
mod request;
mod unbuilt;

use super::arguments::{Mistake, Parser, Stop};

/// An option.
#[derive(Debug)]
pub(super) struct Known {
    /// `--name`.
    name: &'static str,
    /// `-x`.
    letter: Option<char>,
    /// What it takes.
    pub(super) takes: Takes,
    /// What it does.
    pub(super) apply: Apply,
}

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing, and it cannot be undone.
    Nothing,
    /// Nothing; `--no-name` undoes it.
    Switch,
    /// A value.
    Text,
    /// The name of a file.
    File,
}

/// What an option does, given its value and whether it is switched on.
#[derive(Clone, Copy)]
pub(super) enum Apply {
    /// Sets something.
    Set(fn(&mut Parser<'_>, &str, bool)),
    /// Sets something if the value can be used.
    Try(fn(&mut Parser<'_>, &str, bool) -> Result<(), Stop>),
    /// Nothing that shows in a plain HTTP request.
    Ignore,
    /// Something this curl has not.
    Refuse,
}

/// The option with this name; abbreviations count if only one option begins so, but not after `--no-`.
pub(super) fn by_name(name: &str, abbreviated: bool) -> Result<&'static Known, Mistake> {
    let mut found = None;
    let mut several = false;
    for known in all() {
        if known.name.eq_ignore_ascii_case(name) {
            return Ok(known);
        }
        let begins = known.name.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if abbreviated && begins {
            several |= found.is_some();
            found = Some(known);
        }
    }
    match found {
        Some(_) if several => Err(Mistake::Ambiguous),
        Some(known) => Ok(known),
        None => Err(Mistake::Unknown),
    }
}

/// The option with this letter.
pub(super) fn by_letter(letter: char) -> Option<&'static Known> {
    all().find(|known| known.letter == Some(letter))
}

fn all() -> impl Iterator<Item = &'static Known> {
    [request::OPTIONS, output::OPTIONS, network::OPTIONS, unbuilt::IGNORED, unbuilt::REFUSED].into_iter().flatten()
}

/// A row with an effect.
const fn set(name: &'static str, takes: Takes, apply: fn(&mut Parser<'_>, &str, bool)) -> Known {
    Known { name, letter: None, takes, apply: Apply::Set(apply) }
}

/// A row whose value may be wrong.
const fn attempt(
    name: &'static str,
    takes: Takes,
    apply: fn(&mut Parser<'_>, &str, bool) -> Result<(), Stop>,
) -> Known {
    Known { name, letter: None, takes, apply: Apply::Try(apply) }
}

/// A row without effect.
const fn ignore(name: &'static str, takes: Takes) -> Known {
    Known { name, letter: None, takes, apply: Apply::Ignore }
}

/// A row that is refused.
const fn refuse(name: &'static str, takes: Takes) -> Known {
    Known { name, letter: None, takes, apply: Apply::Refuse }
}

// === impl Known ===

impl Known {
    /// Adds the letter.
    const fn letter(self, letter: char) -> Self {
        Self { letter: Some(letter), ..self }
    }
}

// === impl Apply ===

impl std::fmt::Debug for Apply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Try(_) => "Try",
            Self::Ignore => "Ignore",
            Self::Refuse => "Refuse",
        })
    }
}

// === values ===

/// `str2unum`: `strtol`, all of it, not negative.
fn number(text: &str) -> Result<u64, Stop> {
    let number = signed(text)?;
    u64::try_from(number).map_err(|_| Mistake::NegativeNumeric.into())
}

/// `str2num`.
fn signed(text: &str) -> Result<i64, Stop> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Mistake::BadNumeric.into());
    }
    text.parse().map_err(|_| Mistake::NumberTooLarge.into())
}

/// `secs2ms`: seconds with decimals.
fn seconds(text: &str) -> Result<std::time::Duration, Stop> {
    let number = text.trim_start();
    // strtod also reads infinities and hexadecimal, which nobody writes here.
    let plain = !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let value: f64 = if plain { number.parse().map_err(|_| Mistake::BadNumeric)? } else { f64::NAN };
    if value.is_nan() {
        return Err(Mistake::BadNumeric.into());
    }
    if value < 0.0 {
        return Err(Mistake::NegativeNumeric.into());
    }
    let duration = std::time::Duration::try_from_secs_f64(value).map_err(|_| Mistake::NumberTooLarge)?;
    // Whole milliseconds, cut.
    Ok(std::time::Duration::from_millis(u64::try_from(duration.as_millis()).map_err(|_| Mistake::NumberTooLarge)?))
}

/// `GetSizeParameter`: bytes, with `K`, `M` or `G`.
fn size(parser: &mut Parser<'_>, text: &str, which: &str) -> Result<u64, Stop> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let Ok(number) = number.parse::<u64>() else {
        parser.warn(&format!("invalid number specified for {which}"));
        return Err(Mistake::BadUse.into());
    };
    let factor: u64 = match unit {
        "" | "b" | "B" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => {
            parser.warn(&format!("unsupported {which} unit. Use G, M, K or B!"));
            return Err(Mistake::BadUse.into());
        }
    };
    number.checked_mul(factor).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or(Mistake::NumberTooLarge.into())
}

/// The options with an effect: letter, name and whether a value follows.
pub(super) fn effective() -> impl Iterator<Item = (Option<char>, &'static str, bool)> {
    all()
        .filter(|known| matches!(known.apply, Apply::Set(_) | Apply::Try(_)))
        .map(|known| (known.letter, known.name, matches!(known.takes, Takes::Text | Takes::File)))
}
