//! `explain CODE`: what a finding means, from the pages of `docs/findings`.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;
use serde_json::json;

use crate::cli::{Streams, notice};
use crate::exit::Exit;
use crate::print::Format;
use crate::verdict::finding::{Code, SEVERITIES, UnknownCode};

/// The pages, by code.
const PAGES: [(&str, &str); 38] = [
    ("MTLS101", include_str!("../../../docs/findings/MTLS101.md")),
    ("MTLS102", include_str!("../../../docs/findings/MTLS102.md")),
    ("MTLS103", include_str!("../../../docs/findings/MTLS103.md")),
    ("MTLS104", include_str!("../../../docs/findings/MTLS104.md")),
    ("MTLS105", include_str!("../../../docs/findings/MTLS105.md")),
    ("MTLS106", include_str!("../../../docs/findings/MTLS106.md")),
    ("MTLS107", include_str!("../../../docs/findings/MTLS107.md")),
    ("MTLS201", include_str!("../../../docs/findings/MTLS201.md")),
    ("MTLS202", include_str!("../../../docs/findings/MTLS202.md")),
    ("MTLS203", include_str!("../../../docs/findings/MTLS203.md")),
    ("MTLS204", include_str!("../../../docs/findings/MTLS204.md")),
    ("MTLS205", include_str!("../../../docs/findings/MTLS205.md")),
    ("MTLS206", include_str!("../../../docs/findings/MTLS206.md")),
    ("MTLS207", include_str!("../../../docs/findings/MTLS207.md")),
    ("MTLS208", include_str!("../../../docs/findings/MTLS208.md")),
    ("MTLS209", include_str!("../../../docs/findings/MTLS209.md")),
    ("MTLS210", include_str!("../../../docs/findings/MTLS210.md")),
    ("MTLS211", include_str!("../../../docs/findings/MTLS211.md")),
    ("MTLS212", include_str!("../../../docs/findings/MTLS212.md")),
    ("MTLS213", include_str!("../../../docs/findings/MTLS213.md")),
    ("MTLS214", include_str!("../../../docs/findings/MTLS214.md")),
    ("MTLS215", include_str!("../../../docs/findings/MTLS215.md")),
    ("MTLS216", include_str!("../../../docs/findings/MTLS216.md")),
    ("MTLS217", include_str!("../../../docs/findings/MTLS217.md")),
    ("MTLS301", include_str!("../../../docs/findings/MTLS301.md")),
    ("MTLS302", include_str!("../../../docs/findings/MTLS302.md")),
    ("MTLS303", include_str!("../../../docs/findings/MTLS303.md")),
    ("MTLS304", include_str!("../../../docs/findings/MTLS304.md")),
    ("MTLS305", include_str!("../../../docs/findings/MTLS305.md")),
    ("MTLS401", include_str!("../../../docs/findings/MTLS401.md")),
    ("MTLS402", include_str!("../../../docs/findings/MTLS402.md")),
    ("MTLS403", include_str!("../../../docs/findings/MTLS403.md")),
    ("MTLS404", include_str!("../../../docs/findings/MTLS404.md")),
    ("MTLS501", include_str!("../../../docs/findings/MTLS501.md")),
    ("MTLS502", include_str!("../../../docs/findings/MTLS502.md")),
    ("MTLS503", include_str!("../../../docs/findings/MTLS503.md")),
    ("MTLS504", include_str!("../../../docs/findings/MTLS504.md")),
    ("MTLS505", include_str!("../../../docs/findings/MTLS505.md")),
];

/// The page of a code, in Markdown.
#[must_use]
pub fn page(code: Code) -> &'static str {
    PAGES.iter().find(|(of, _)| *of == code.code()).map_or("", |(_, page)| *page)
}

/// Explains a code, by number or name; `None` where the word is neither and can be a service.
pub fn explained(word: &str, format: Option<&Format>, streams: &mut Streams<'_>) -> Option<Exit> {
    let code = match word.parse::<Code>() {
        Ok(code) => code,
        Err(unknown) if looks_like_a_code(word) => return Some(refused(&unknown, streams)),
        Err(_) => return None,
    };
    let page = page(code);
    let document = json!({
        "apiVersion": "kubectl-mtls/v1",
        "kind": "FindingCode",
        "code": code.code(),
        "name": code.name(),
        "severity": code.severity(),
        "page": page,
    });
    let printed = match format {
        None | Some(Format::Table | Format::Wide) => write!(streams.out, "{page}"),
        Some(Format::Name) => writeln!(streams.out, "{}", code.code()),
        Some(Format::Json) => writeln!(streams.out, "{document:#}"),
        Some(Format::Yaml) => match serde_saphyr::to_string(&document) {
            Ok(yaml) => writeln!(streams.out, "{}", yaml.trim_end()),
            Err(error) => Err(std::io::Error::other(error)),
        },
        Some(Format::JsonPath(_)) => {
            notice::error(streams, "a code is explained as text, name, json or yaml", None);
            return Some(Exit::Usage);
        }
    };
    Some(notice::printed(streams, printed).err().unwrap_or(Exit::Clean))
}

fn refused(unknown: &UnknownCode, streams: &mut Streams<'_>) -> Exit {
    let list = Code::all().iter().map(|code| code.code()).collect::<Vec<_>>().join(", ");
    notice::error(streams, &unknown.to_string(), unknown.nearest.map(|_| format!("they are {list}")).as_deref());
    Exit::Usage
}

/// `mtls999`: no service is meant.
fn looks_like_a_code(word: &str) -> bool {
    let (head, digits) = word.split_at_checked(4).unwrap_or_default();
    head.eq_ignore_ascii_case("mtls") && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

// === completion ===

/// Every code with its name, once its first letter is typed: services come before them.
#[must_use]
pub fn codes(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy().to_uppercase();
    let fits = |code: &Code| !typed.is_empty() && code.code().starts_with(&typed);
    Code::all().into_iter().filter(fits).map(|code| candidate(code.code().to_owned(), code.name())).collect()
}

/// `MTLS105=`, and behind it the severities.
#[must_use]
pub fn overrides(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    if let Some((code, severity)) = typed.split_once('=') {
        let words = SEVERITIES.iter().filter(|word| word.starts_with(severity));
        return words.map(|word| CompletionCandidate::new(format!("{code}={word}"))).collect();
    }
    let fits = |code: &Code| code.code().starts_with(&typed.to_uppercase());
    let codes = Code::all().into_iter().filter(fits);
    codes.map(|code| candidate(format!("{}=", code.code()), code.name())).collect()
}

fn candidate(value: String, help: &'static str) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(help.into()))
}
