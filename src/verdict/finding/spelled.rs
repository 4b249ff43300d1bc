//! Codes and severities as people type them.

use std::str::FromStr;

use crate::verdict::finding::Code;
use crate::verdict::report::{Report, Severity};

/// A text that is no code and no name of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no finding; {}", advice(*.nearest))]
pub struct UnknownCode {
    /// As typed.
    pub text: String,
    /// What was probably meant.
    pub nearest: Option<Code>,
}

/// Another severity for a code, or none at all: `MTLS105=warning`, `downgrade=off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// The code.
    pub code: Code,
    /// Its severity; `None` = it is not told.
    pub severity: Option<Severity>,
}

/// Why a text is no override.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOverride {
    /// There is no `=`.
    #[error("`{0}` has no `=`; write CODE=SEVERITY, like MTLS105=warning")]
    Shape(String),
    /// The code is unknown.
    #[error(transparent)]
    Code(#[from] UnknownCode),
    /// The severity is.
    #[error("`{0}` is no severity; it is one of off, info, warning, error")]
    Severity(String),
}

/// The severities that a code can be given.
pub const SEVERITIES: [&str; 4] = ["off", "info", "warning", "error"];

/// Beyond this likeness a word was probably meant.
const ALIKE: f64 = 0.8;

fn advice(nearest: Option<Code>) -> String {
    let list = || Code::all().iter().map(|code| code.code()).collect::<Vec<_>>().join(", ");
    match nearest {
        Some(code) => format!("did you mean {} ({})?", code.code(), code.name()),
        None => format!("they are {}", list()),
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// Reads `MTLS101`, `mtls101` and `client-and-server-contradict`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = Self::all();
        let is = |code: &&Self| code.code().eq_ignore_ascii_case(text) || code.name().eq_ignore_ascii_case(text);
        if let Some(code) = all.iter().find(is) {
            return Ok(*code);
        }
        let (upper, lower) = (text.to_uppercase(), text.to_lowercase());
        let likeness = |code: &Self| {
            let one_off = strsim::damerau_levenshtein(&upper, code.code()) <= 1;
            let of_code: f64 = if one_off { 1.0 } else { 0.0 };
            of_code.max(strsim::jaro_winkler(&lower, code.name()))
        };
        let nearest = all.into_iter().map(|code| (likeness(&code), code)).filter(|(alike, _)| *alike > ALIKE);
        // Of those equally like, the first in order.
        let nearest = nearest.fold(None, |best: Option<(f64, Self)>, (alike, code)| match best {
            Some((most, _)) if most >= alike => best,
            Some(_) | None => Some((alike, code)),
        });
        Err(UnknownCode { text: text.to_owned(), nearest: nearest.map(|(_, code)| code) })
    }
}

impl FromStr for Override {
    type Err = NotAnOverride;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (code, severity) = text.split_once('=').ok_or_else(|| NotAnOverride::Shape(text.to_owned()))?;
        let severity = match severity.trim().to_lowercase().as_str() {
            "off" => None,
            "info" => Some(Severity::Info),
            "warning" => Some(Severity::Warning),
            "error" => Some(Severity::Error),
            _ => return Err(NotAnOverride::Severity(severity.to_owned())),
        };
        Ok(Self { code: code.trim().parse()?, severity })
    }
}

impl Override {
    /// Gives findings of these codes their severity, drops those that are off, and puts the worst first again. Of several for
    /// one code the last counts.
    pub fn apply(overrides: &[Self], report: &mut Report) {
        if overrides.is_empty() {
            return;
        }
        let of = |code: &str| overrides.iter().rfind(|own| own.code.code() == code);
        report.findings.retain_mut(|finding| match of(finding.code).map(|own| own.severity) {
            None => true,
            Some(None) => false,
            Some(Some(severity)) => {
                finding.severity = severity;
                true
            }
        });
        report.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        let off = |id: &str| id.split('/').next().and_then(of).is_some_and(|own| own.severity.is_none());
        for pair in &mut report.pairs {
            pair.findings.retain(|id| !off(id));
        }
    }
}
