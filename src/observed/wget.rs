//! A request by wget, from images that have it and no curl: one run for each, read for what curl would have said of it.
//!
//! Held against GNU Wget 1.21.3 and BusyBox 1.35.0 as they answered (`tests/vectors/wget.jsonl`). BusyBox tells of an error the status line
//! alone, and of a redirect, which it follows, no more than where it leads: who made such an answer stays open.

use std::time::Duration;

use crate::model::evidence::{Program, Transfer, Unseen};
use crate::observed::probe::{AGENT, Patience};

/// Program and argument by which it tells which one it is; BusyBox does so by refusing.
pub const WHICH: [&str; 2] = ["wget", "--version"];

/// A wget whose answers can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wget {
    /// GNU Wget 1.
    Gnu,
    /// BusyBox's, with `-S` (since 1.29).
    BusyBox {
        /// Whether it was built with `-T` (`FEATURE_WGET_TIMEOUT`): elsewhere it waits for a quarter of an hour.
        bounded: bool,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Exited(i32),
    /// It was still running after this time.
    Late(Duration),
}

/// What it printed of the first answer: its later ones are those that a redirect led to.
#[derive(Debug, Default)]
struct Printed<'t> {
    status: Option<&'t str>,
    headers: Vec<(String, String)>,
    /// A line where the status should be: the answer is not HTTP.
    other: bool,
    /// The last of its own words.
    complaint: Option<&'t str>,
}

/// curl's for an answer that ended too soon.
const PARTIAL: u8 = 18;

/// curl's exit code for what wget says, in the order they are looked for.
///
/// GNU: `src/http.c`, `src/connect.c`; BusyBox: `networking/wget.c`; the words behind a colon are the C library's.
const EXITS: [(&str, u8); 11] = [
    ("unable to resolve host address", 6),
    ("bad address", 6),
    ("Connection refused", 7),
    ("No route to host", 7),
    ("Host is unreachable", 7),
    ("Network is unreachable", 7),
    ("timed out", 28),
    ("Broken pipe", 55),
    ("Connection reset by peer", 56),
    ("No data received", 52),
    // Without a word behind it: the connection ended.
    ("error getting response", 52),
];

// === impl Wget ===

impl Wget {
    /// From what [`WHICH`] printed; `None` for one that is not known (Wget2 among them).
    #[must_use]
    pub fn of(stdout: &[u8], stderr: &[u8]) -> Option<Self> {
        if String::from_utf8_lossy(stdout).starts_with("GNU Wget 1.") {
            return Some(Self::Gnu);
        }
        let usage = String::from_utf8_lossy(stderr);
        let option = |name: &str| usage.lines().any(|line| line.split_whitespace().next() == Some(name));
        (usage.contains("BusyBox v") && option("-S")).then(|| Self::BusyBox { bounded: option("-T") })
    }

    /// Program and arguments for a request.
    #[must_use]
    pub fn argv(self, url: &str, patience: Patience) -> Vec<String> {
        let (connect, total) = (patience.connect.as_secs().max(1), patience.total.as_secs().max(1));
        let mut argv = vec!["wget".to_owned(), "-S".to_owned(), "-O".to_owned(), "-".to_owned()];
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
        match self {
            Self::Gnu => {
                add(&[
                    "--no-config",
                    "-nv",
                    "-e",
                    "use_proxy=no",
                    "--tries=1",
                    "--max-redirect=0",
                    "--content-on-error",
                ]);
                add(&[&format!("--dns-timeout={connect}"), &format!("--connect-timeout={connect}")]);
                add(&[&format!("--read-timeout={total}")]);
            }
            Self::BusyBox { bounded } => {
                add(&["-q", "-Y", "off"]);
                if bounded {
                    add(&["-T", &total.to_string()]);
                }
            }
        }
        add(&["-U", AGENT, url]);
        argv
    }

    /// What a run says of its request.
    ///
    /// # Errors
    /// Why nothing can be told: BusyBox's of an error, and words that are not known.
    pub fn answer(self, stdout: &[u8], stderr: &[u8], ended: Ended) -> Result<Transfer, Unseen> {
        let words = String::from_utf8_lossy(stderr);
        let printed = Printed::of(&words);
        let Some(http) = printed.status else { return printed.without_status(ended) };
        let busybox = matches!(self, Self::BusyBox { .. });
        if busybox && !http.starts_with('2') {
            let why = format!(
                "BusyBox's wget tells of an answer with status {http} nothing but that: who made it stays open"
            );
            return Err(Unseen::Failed(why));
        }
        let (exit, message) = match ended {
            Ended::Late(bound) => (28, Some(late(bound))),
            Ended::Exited(0) => (0, None),
            // An answer that is an error, and one that leads elsewhere, are whole.
            Ended::Exited(6 | 8) if !busybox => (0, None),
            Ended::Exited(_) => {
                let said = printed.complaint;
                (said.and_then(exit_of).unwrap_or(PARTIAL), said.map(str::to_owned))
            }
        };
        let (http, headers) = (http.to_owned(), printed.headers);
        let body = String::from_utf8_lossy(stdout).into_owned();
        Ok(Transfer { http, exit, headers, body, message, program: Program::Wget })
    }
}

fn late(bound: Duration) -> String {
    format!("wget was still running after {bound:?}")
}

fn no_answer(exit: u8, message: String) -> Transfer {
    let (http, headers, body) = ("000".to_owned(), Vec::new(), String::new());
    Transfer { http, exit, headers, body, message: Some(message), program: Program::Wget }
}

fn exit_of(words: &str) -> Option<u8> {
    EXITS.iter().find(|(needle, _)| words.contains(needle)).map(|(_, exit)| *exit)
}

// === impl Printed ===

impl<'t> Printed<'t> {
    /// Lines of an answer are indented, its own words are not.
    fn of(stderr: &'t str) -> Self {
        let mut printed = Self::default();
        for line in stderr.lines().filter(|line| !line.trim().is_empty()) {
            match line.strip_prefix("  ") {
                None => printed.complaint = Some(line),
                Some(answer) => printed.line(answer.trim_end()),
            }
        }
        printed
    }

    fn line(&mut self, line: &'t str) {
        let awaited = self.status.is_none_or(|status| status.starts_with('1'));
        match (line.starts_with("HTTP/"), line.split_once(':')) {
            (true, _) if awaited => {
                self.status = line.split(' ').nth(1);
                self.headers.clear();
            }
            (false, _) if self.status.is_none() => self.other = true,
            (false, Some((name, value))) => self.headers.push((name.trim().to_lowercase(), value.trim().to_owned())),
            (true, _) | (false, None) => {}
        }
    }

    fn without_status(&self, ended: Ended) -> Result<Transfer, Unseen> {
        let code = match ended {
            Ended::Late(bound) => return Ok(no_answer(28, late(bound))),
            // GNU's takes what has no status line for HTTP 0.9, as curl did once; curl's exit code for it is 1.
            Ended::Exited(code) if self.other || code == 0 => {
                return Ok(no_answer(1, "the answer is not HTTP".to_owned()));
            }
            Ended::Exited(code) => code,
        };
        let words = self.complaint.unwrap_or("it said nothing");
        let exit = exit_of(words).ok_or_else(|| Unseen::Failed(format!("wget exited with {code}: {words}")))?;
        Ok(no_answer(exit, words.to_owned()))
    }
}
