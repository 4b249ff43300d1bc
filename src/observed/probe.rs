//! The questions put to curl and its framed answers.
//!
//! One `curl -q -K -` per client pod reads all its transfers from standard input, so no shell is needed in the container.
//! Each transfer ends with a frame on standard output and one on standard error (`%{stderr}`, curl 7.63), both with its
//! number and a marker that no server can know; an answer is matched to its request by the frame and by nothing else.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::evidence::{Program, Transfer, Unseen};

/// Program and arguments; the transfers come on standard input.
pub const ARGV: [&str; 4] = ["curl", "-q", "-K", "-"];

/// `user-agent` of every request.
pub const AGENT: &str = concat!("kubectl-mtls/", env!("CARGO_PKG_VERSION"));

/// A request to be made from a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What curl calls.
    pub url: String,
    /// Whether it takes any certificate, or none that it could know: `-k`.
    pub insecure: bool,
}

/// How long each transfer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the connection.
    pub connect: Duration,
    /// For the whole transfer.
    pub total: Duration,
}

/// The transfers of one curl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    marker: String,
    questions: Vec<Question>,
    patience: Patience,
}

// === impl Question ===

impl Question {
    /// A plain request.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), insecure: false }
    }
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(8) }
    }
}

// === impl Script ===

impl Script {
    /// A script whose frames carry `nonce`, which must not be guessable by a server.
    #[must_use]
    pub fn new(nonce: u64, questions: Vec<Question>, patience: Patience) -> Self {
        Self { marker: format!("kubectl-mtls-{nonce:016x}"), questions, patience }
    }

    /// The longest the whole run may take, with a little room for its start.
    #[must_use]
    pub fn bound(&self) -> Duration {
        let count = u32::try_from(self.questions.len()).unwrap_or(u32::MAX);
        self.patience.total.saturating_mul(count).saturating_add(Duration::from_secs(5))
    }

    /// curl's configuration: what goes to its standard input.
    #[must_use]
    pub fn stdin(&self) -> String {
        let mut text = String::new();
        for (number, question) in self.questions.iter().enumerate() {
            if number > 0 {
                text.push_str("next\n");
            }
            self.transfer(&mut text, number, question);
        }
        text
    }

    fn transfer(&self, text: &mut String, number: usize, question: &Question) {
        let marker = &self.marker;
        if question.insecure {
            text.push_str("insecure\n");
        }
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "url = \"{url}\"\nsilent\nshow-error\ninclude\ngloboff\nnoproxy = \"*\"\nuser-agent = \"{agent}\"\n\
             connect-timeout = {connect}\nmax-time = {total}\n\
             write-out = \"\\n{marker} {number} %{{http_code}} %{{exitcode}} end\\n%{{stderr}}{marker} {number} end\\n\"\n",
            url = question.url.replace('\\', "\\\\").replace('"', "\\\""),
            agent = AGENT,
            connect = self.patience.connect.as_secs_f64(),
            total = self.patience.total.as_secs_f64(),
        );
    }

    /// What each question was answered, in order; a question without a frame says why it has none.
    #[must_use]
    pub fn answers(&self, stdout: &[u8], stderr: &[u8], how_it_ended: &str) -> Vec<Result<Transfer, Unseen>> {
        let stdout = String::from_utf8_lossy(stdout);
        let stderr = String::from_utf8_lossy(stderr);
        let mut out = stdout.as_ref();
        let mut err = stderr.as_ref();
        (0..self.questions.len())
            .map(|number| {
                let (answer, rest) = self
                    .frame(out, number)
                    .ok_or_else(|| Unseen::Failed(format!("curl gave no answer to this request: {how_it_ended}")))?;
                out = rest;
                let message = self.frame(err, number).map(|(frame, rest)| {
                    err = rest;
                    frame.body
                });
                Ok(transfer(&answer, message.unwrap_or_default()))
            })
            .collect()
    }

    /// Text before the frame of that number, what the frame says, and the rest.
    fn frame<'t>(&self, text: &'t str, number: usize) -> Option<(Frame<'t>, &'t str)> {
        let head = format!("{} {number} ", self.marker);
        let (body, after) = text.split_once(&head)?;
        let (line, rest) = after.split_once('\n').unwrap_or((after, ""));
        let said = line.strip_suffix("end")?.trim_end();
        Some((Frame { body, said }, rest))
    }
}

struct Frame<'t> {
    body: &'t str,
    said: &'t str,
}

fn transfer(answer: &Frame<'_>, stderr: &str) -> Transfer {
    let mut said = answer.said.split(' ');
    let http = said.next().unwrap_or("000").to_owned();
    let complaint = complaint(stderr);
    // `%{exitcode}` came with curl 7.75; older ones leave it empty and the complaint has the number.
    let exit = said
        .next()
        .and_then(|text| text.parse().ok())
        .or_else(|| complaint.as_ref().map(|(exit, _)| *exit))
        .unwrap_or(0);
    let (headers, body) = response(answer.body.strip_suffix('\n').unwrap_or(answer.body));
    Transfer { http, exit, headers, body, message: complaint.map(|(_, text)| text), program: Program::Curl }
}

/// `curl: (56) Recv failure: Connection reset by peer`.
fn complaint(stderr: &str) -> Option<(u8, String)> {
    stderr.lines().find_map(|line| {
        let (number, text) = line.strip_prefix("curl: (")?.split_once(") ")?;
        Some((number.parse().ok()?, text.trim_end().to_owned()))
    })
}

/// Headers (names in lower case) and body of what `include` printed; interim 1xx answers are left out.
fn response(text: &str) -> (Vec<(String, String)>, String) {
    let mut rest = text;
    while rest.starts_with("HTTP/") {
        let Some((head, body)) = rest.split_once("\r\n\r\n").or_else(|| rest.split_once("\n\n")) else {
            return (headers(rest), String::new());
        };
        if head.split(' ').nth(1).is_some_and(|code| code.starts_with('1')) {
            rest = body;
            continue;
        }
        return (headers(head), body.to_owned());
    }
    (Vec::new(), rest.to_owned())
}

fn headers(head: &str) -> Vec<(String, String)> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Patience, Question, Script, response};

    fn script(urls: &[&str]) -> Script {
        let questions = urls.iter().map(|url| Question::new(*url)).collect();
        Script::new(0xfeed, questions, Patience::default())
    }

    const MARKER: &str = "kubectl-mtls-000000000000feed";

    #[test]
    fn every_transfer_has_its_own_options() {
        let stdin = script(&["http://httpbin.foo:8000/headers", "http://httpbin.bar:8000/headers"]).stdin();
        let (first, second) = stdin.split_once("\nnext\n").unwrap();
        for (number, transfer) in [first, second].iter().enumerate() {
            assert!(transfer.contains("\nsilent\nshow-error\ninclude\n"), "{transfer}");
            assert!(transfer.contains(&format!("{MARKER} {number} %{{http_code}} %{{exitcode}} end")), "{transfer}");
        }
    }

    #[test]
    fn a_url_cannot_leave_its_quotes() {
        let stdin = script(&["http://a/\"\noutput = \"/etc/passwd"]).stdin();
        assert!(stdin.starts_with("url = \"http://a/\\\"\noutput = \\\"/etc/passwd\"\n"), "{stdin}");
    }

    // Recorded from curl 7.88.1: a 200 with a body that ends in a line break, then a refused connection.
    #[test]
    fn answers_are_matched_by_their_frames() {
        let stdout = format!(
            "HTTP/1.1 200 OK\r\nServer: gunicorn\r\n\r\n{{\"headers\": {{}}}}\n\n{MARKER} 0 200 0 end\n\n{MARKER} 1 000 7 end\n"
        );
        let stderr = format!(
            "{MARKER} 0 end\ncurl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server\n{MARKER} 1 end\n"
        );
        let answers =
            script(&["http://a", "http://b"]).answers(stdout.as_bytes(), stderr.as_bytes(), "it exited with 7");
        let first = answers[0].as_ref().unwrap();
        assert_eq!((first.http.as_str(), first.exit, first.message.as_deref()), ("200", 0, None));
        assert_eq!(first.header("server"), Some("gunicorn"));
        assert_eq!(first.body, "{\"headers\": {}}\n");
        let second = answers[1].as_ref().unwrap();
        assert_eq!((second.http.as_str(), second.exit), ("000", 7));
        assert_eq!(
            second.message.as_deref(),
            Some("Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server")
        );
    }

    #[test]
    fn a_curl_that_does_not_know_exitcode_tells_it_in_its_complaint() {
        let stdout = format!("\n{MARKER} 0 000  end\n");
        let stderr = format!("curl: (56) Recv failure: Connection reset by peer\n{MARKER} 0 end\n");
        let answers = script(&["http://a"]).answers(stdout.as_bytes(), stderr.as_bytes(), "it exited with 56");
        assert_eq!(answers[0].as_ref().unwrap().exit, 56);
    }

    #[test]
    fn a_request_without_a_frame_says_why_and_keeps_the_others() {
        let stdout = format!("HTTP/1.1 200 OK\r\n\r\nok\n{MARKER} 0 200 0 end\nHTTP/1.1 200 OK\r\n\r\nhalf an ans");
        let answers =
            script(&["http://a", "http://b"]).answers(stdout.as_bytes(), b"", "the connection closed without a status");
        assert!(answers[0].is_ok());
        let why = answers[1].as_ref().unwrap_err();
        assert_eq!(why.detail(), Some("curl gave no answer to this request: the connection closed without a status"));
    }

    #[test]
    fn a_server_that_sends_another_frame_forges_nothing() {
        let stdout =
            format!("HTTP/1.1 200 OK\r\n\r\nkubectl-mtls-0000000000000000 0 000 56 end\n{MARKER} 0 200 0 end\n");
        let answers = script(&["http://a"]).answers(stdout.as_bytes(), b"", "");
        assert_eq!(answers[0].as_ref().unwrap().http, "200");
    }

    #[test]
    fn interim_answers_are_left_out() {
        let (headers, body) = response("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: envoy\r\n\r\nbody");
        assert_eq!(headers, [("server".to_owned(), "envoy".to_owned())]);
        assert_eq!(body, "body");
    }
}
