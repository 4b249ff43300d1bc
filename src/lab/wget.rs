//! BusyBox's `wget` as it is in its image: the network is the lab's curl's, what it prints and exits with is BusyBox 1.35's
//! (`networking/wget.c`, `tests/vectors/wget.jsonl`).
//!
//! It knows `-q`, `-S`, `-O -`, `-U`, `-T` and `-Y`; there is no disk to save to.

use std::fmt::Write as _;

use tokio::io::AsyncWriteExt as _;

use super::curl::{self, Connector};
use super::kube_api::exec::ExecStreams;

/// What it does with another option.
const USAGE: &str = "BusyBox v1.35.0 () multi-call binary.\n\nUsage: wget [-qS] [-O FILE] [-Y on/off] [-U AGENT] [-T SEC] URL\n\n\
                     \t-q\tQuiet\n\t-S\tShow server response\n\t-O FILE\tSave to FILE ('-' for stdout)\n\t-U STR\tUse STR for User-Agent header\n\
                     \t-T SEC\tNetwork read timeout is SEC seconds\n\t-Y on/off\tUse proxy\n";

/// What was asked of it.
#[derive(Debug, Default)]
struct Asked<'a> {
    url: &'a str,
    agent: Option<&'a str>,
    seconds: Option<&'a str>,
    to: Option<&'a str>,
    shows: bool,
}

/// What it prints and exits with.
#[derive(Debug, Default)]
struct Printed {
    out: Vec<u8>,
    err: String,
    status: u8,
}

/// Runs it with these arguments, without the program's name.
pub(super) async fn run<C: Connector>(connector: &C, arguments: &[String], mut streams: ExecStreams) -> u8 {
    let printed = match Asked::of(arguments) {
        Err(mistake) => Printed { err: format!("{mistake}{USAGE}"), status: 1, ..Printed::default() },
        Ok(asked) if asked.to != Some("-") => Printed::failed("can't open 'index.html': Read-only file system"),
        Ok(asked) => answered(connector, &asked).await,
    };
    // A client that went away reads nothing more.
    let _ = streams.stdout.write_all(&printed.out).await;
    let _ = streams.stderr.write_all(printed.err.as_bytes()).await;
    printed.status
}

async fn answered<C: Connector>(connector: &C, asked: &Asked<'_>) -> Printed {
    let mut arguments = vec!["-q", "-s", "-S", "-i", "-L", "--http0.9", "-A", asked.agent.unwrap_or("Wget")];
    arguments.extend(["-m", asked.seconds.unwrap_or("900"), asked.url]);
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let (mut out, mut err) = (std::io::Cursor::new(Vec::new()), std::io::Cursor::new(Vec::new()));
    let exit = curl::run(connector, &arguments, tokio::io::empty(), &mut out, &mut err).await;
    let words = String::from_utf8_lossy(err.get_ref()).into_owned();
    let mut printed = Printed::default();
    let answer = out.into_inner();
    if answer.is_empty() {
        return Printed::failed(&match exit {
            6 => format!("bad address '{}'", authority(asked.url)),
            7 => {
                let name = authority(asked.url).split(':').next().unwrap_or_default();
                let first = connector.resolve(name).await.first().map_or_else(|| name.to_owned(), ToString::to_string);
                format!("can't connect to remote host ({first}): Connection refused")
            }
            28 => "download timed out".to_owned(),
            _ if words.contains("reset") => "error getting response: Connection reset by peer".to_owned(),
            _ => "error getting response".to_owned(),
        });
    }
    printed.answer(answer, asked.shows);
    if printed.status == 0 && exit != 0 {
        let why = match exit {
            28 => "download timed out",
            56 => "read error: Connection reset by peer",
            _ => "connection closed prematurely",
        };
        printed.fail(why);
    }
    printed
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

// === impl Asked ===

impl<'a> Asked<'a> {
    fn of(arguments: &'a [String]) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let Some(mut letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                asked.url = word;
                continue;
            };
            if letters.starts_with('-') {
                return Err(format!("wget: unrecognized option '{word}'\n"));
            }
            while let Some(letter) = letters.chars().next() {
                letters = letters.get(letter.len_utf8()..).unwrap_or_default();
                let mut value = || if letters.is_empty() { words.next() } else { Some(std::mem::take(&mut letters)) };
                match letter {
                    'q' => {}
                    'S' => asked.shows = true,
                    'O' => asked.to = value(),
                    'U' => asked.agent = value(),
                    'T' => asked.seconds = value(),
                    'Y' => _ = value(),
                    other => return Err(format!("wget: invalid option -- '{other}'\n")),
                }
            }
        }
        if asked.url.is_empty() { Err(String::new()) } else { Ok(asked) }
    }
}

// === impl Printed ===

impl Printed {
    fn failed(why: &str) -> Self {
        let mut printed = Self::default();
        printed.fail(why);
        printed
    }

    fn fail(&mut self, why: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.err, "wget: {why}");
        self.status = 1;
    }

    /// Answers with their headers, as they came one after another.
    fn answer(&mut self, bytes: Vec<u8>, shows: bool) {
        let mut rest = bytes;
        loop {
            let end = rest.windows(4).position(|window| window == b"\r\n\r\n");
            let (Some(end), true) = (end, rest.starts_with(b"HTTP/")) else {
                let first: Vec<u8> = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
                self.show(shows, &String::from_utf8_lossy(&first));
                return self.fail("error getting response");
            };
            let body = rest.split_off(end + 4);
            let head = String::from_utf8_lossy(&rest).into_owned();
            let status = head.lines().next().unwrap_or_default().to_owned();
            let code = status.split(' ').nth(1).and_then(|code| code.chars().next());
            self.show(shows, &status);
            if !matches!(code, Some('1'..='3')) {
                return self.fail(&format!("server returned error: {status}"));
            }
            let leads_on = code == Some('3') && body.starts_with(b"HTTP/");
            for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
                self.show(shows, line);
                // It reads no further than where it has to go.
                if leads_on && line.to_lowercase().starts_with("location:") {
                    break;
                }
            }
            if !leads_on {
                self.show(shows, "");
            }
            if !leads_on && code != Some('1') {
                self.out = body;
                return;
            }
            rest = body;
        }
    }

    fn show(&mut self, shows: bool, line: &str) {
        if shows {
            let _ = writeln!(self.err, "  {}", line.trim_end());
        }
    }
}
