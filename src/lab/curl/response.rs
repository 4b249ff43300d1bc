//! Reads an answer as curl does (`Curl_http_readwrite_headers`, `readwrite_data`): bytes in, header lines and body out.

mod status_line;

use super::chunked::{Chunked, Piece};
use super::code::{Code, Failure};

/// What the reader has to know about the request.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(super) struct Asked {
    /// No body will come.
    pub(super) head: bool,
    /// `--fail`.
    pub(super) fail: bool,
    /// `-L`: bodies of redirects are not shown.
    pub(super) follow: bool,
    /// `--http0.9`.
    pub(super) http09: bool,
    /// `--raw`.
    pub(super) raw: bool,
    /// `--ignore-content-length`.
    pub(super) ignore_length: bool,
    /// `--compressed`.
    pub(super) compressed: bool,
    /// `--max-filesize`; 0 is without limit.
    pub(super) max_filesize: u64,
}

/// Something to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A header line with its line end; also status lines, blank lines and trailers.
    Header(Vec<u8>),
    /// The same, but `-v` does not show it.
    QuietHeader(Vec<u8>),
    /// A remark of `-v`.
    Note(&'static str),
    /// How many bytes of the body, in whatever encoding, were received at once.
    Received(usize),
    /// Part of the body.
    Body(Vec<u8>),
}

/// The state of an answer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the answer")]
pub(super) struct Response {
    asked: Asked,
    stage: Stage,
    /// An incomplete header line.
    line: Vec<u8>,
    /// Header lines of the current head so far.
    lines: usize,
    /// The last status.
    pub(super) status: u16,
    /// 10 or 11.
    pub(super) version: u8,
    /// Headers of the last head.
    pub(super) headers: Vec<(String, String)>,
    /// Bytes of all heads.
    pub(super) header_bytes: u64,
    /// Bytes of heads that count against an empty reply: all but those of 1xx answers.
    counted: u64,
    /// Bytes of the body.
    pub(super) body_bytes: u64,
    /// `Content-Length`, where it counts.
    pub(super) size: Option<u64>,
    chunked: Option<Chunked>,
    /// The connection ends with this answer.
    pub(super) close: bool,
    length_ignored: bool,
    bodyless: bool,
    /// Value of the first `Location` of a redirect.
    pub(super) location: Option<String>,
    body_hidden: bool,
    /// The body is compressed.
    compressed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
    Done,
}

/// What curl says of an encoding it does not know; here that is any.
const UNREADABLE: &str =
    "Unrecognized content encoding type. libcurl understands deflate, gzip, br, zstd content encodings.";

// === impl Response ===

impl Response {
    /// Before the first byte.
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            stage: Stage::Head,
            line: Vec::new(),
            lines: 0,
            status: 0,
            version: 0,
            headers: Vec::new(),
            header_bytes: 0,
            counted: 0,
            body_bytes: 0,
            size: None,
            chunked: None,
            close: false,
            length_ignored: false,
            bodyless: false,
            location: None,
            body_hidden: false,
            compressed: false,
        }
    }

    /// Whether all of it was read.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether not a byte of it came that counts.
    pub(super) fn is_empty(&self) -> bool {
        self.header_bytes == 0 && self.body_bytes == 0
    }

    /// Whether the connection can serve another request.
    pub(super) fn keeps_connection(&self) -> bool {
        self.is_done() && !self.close
    }

    /// The value of the first header of that name in the last head.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Takes what was received. What is left over afterwards was not part of the answer.
    pub(super) fn feed(&mut self, received: &mut Vec<u8>, events: &mut Vec<Event>) -> Result<(), Failure> {
        while self.stage == Stage::Head && !received.is_empty() {
            let end = received.iter().position(|byte| *byte == b'\n').map_or(received.len(), |at| at + 1);
            self.line.extend(received.drain(..end));
            if self.lines == 0 && !status_line::may_begin(&self.line) {
                self.headless(events)?;
                break;
            }
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.head_line(line, events)?;
            }
        }
        if self.stage == Stage::Body && !received.is_empty() {
            self.body(received, events)?;
        }
        Ok(())
    }

    /// As if nothing but the status had been understood.
    pub(super) fn forget_head(&mut self) {
        self.headers.clear();
        self.header_bytes = 0;
        self.body_bytes = 0;
    }

    /// The server closed the connection.
    pub(super) fn closed(&mut self) -> Result<(), Failure> {
        self.close = true;
        let head = self.stage == Stage::Head;
        self.stage = Stage::Done;
        if head && self.counted == 0 {
            return Err(Code::GotNothing.saying("Empty reply from server"));
        }
        if self.asked.head || (head && self.size.is_none()) {
            return Ok(());
        }
        if let Some(left) = self.size.and_then(|size| size.checked_sub(self.body_bytes)).filter(|left| *left > 0) {
            return Err(Code::PartialFile.saying(format!("transfer closed with {left} bytes remaining to read")));
        }
        if self.chunked.as_ref().is_some_and(|chunked| !chunked.is_done()) {
            return Err(Code::PartialFile.saying("transfer closed with outstanding read data remaining"));
        }
        Ok(())
    }

    /// HTTP/0.9: a body and nothing else.
    fn headless(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.close = true;
        if !self.asked.http09 {
            return Err(Code::UnsupportedProtocol.saying("Received HTTP/0.9 when not allowed"));
        }
        self.stage = Stage::Body;
        let line = std::mem::take(&mut self.line);
        self.body_bytes += line.len() as u64;
        events.push(Event::Body(line));
        Ok(())
    }

    fn head_line(&mut self, line: Vec<u8>, events: &mut Vec<Event>) -> Result<(), Failure> {
        if line.starts_with(b"\n") || line.starts_with(b"\r") {
            return self.head_end(line, events);
        }
        self.lines += 1;
        if self.lines == 1 {
            self.status_line(&line, events)?;
        } else {
            self.header_line(&line)?;
        }
        self.header_bytes += line.len() as u64;
        self.counted += line.len() as u64;
        events.push(Event::Header(line));
        Ok(())
    }

    fn status_line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(line);
        let (version, status) = status_line::parse(&text)?;
        self.version = version;
        self.status = status;
        self.headers.clear();
        if version == 10 {
            events.push(Event::Note("HTTP 1.0, assume close after body"));
            self.close = true;
        }
        self.bodyless = matches!(status, 100..=199 | 204 | 304);
        if matches!(status, 204 | 304) {
            self.size = Some(0);
        }
        Ok(())
    }

    fn header_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        if line.contains(&0) {
            return Err(Code::WeirdServerReply.saying("Nul byte in header"));
        }
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        if self.lines > 2 && text.starts_with([' ', '\t']) {
            // A folded line continues the one before.
            if let Some((_, value)) = self.headers.last_mut() {
                let folded = text.trim_end();
                let blanks = folded.len() - folded.trim_start_matches([' ', '\t']).len();
                value.push_str(folded.get(blanks.saturating_sub(1)..).unwrap_or_default());
            }
            return Ok(());
        }
        let Some((name, value)) = text.split_once(':') else {
            return Err(Code::WeirdServerReply.saying("Header without colon"));
        };
        let value = value.trim();
        // curl keeps the line end where nothing else is.
        let end = if line.ends_with(b"\r\n") { "\r" } else { "\n" };
        let kept = if value.is_empty() { end } else { value };
        self.meaning(&name.to_ascii_lowercase(), value)?;
        self.headers.push((name.to_owned(), kept.to_owned()));
        Ok(())
    }

    /// `Curl_http_header`.
    fn meaning(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let lists = |word: &str| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word));
        match name {
            "content-length" if !self.bodyless && !self.asked.ignore_length => {
                let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
                if digits.is_empty() {
                    return Err(Code::WeirdServerReply.saying("Invalid Content-Length: value"));
                }
                match digits.parse::<i64>().ok().and_then(|size| u64::try_from(size).ok()) {
                    Some(size) => self.size = Some(size),
                    None if self.asked.max_filesize > 0 => {
                        return Err(Code::FilesizeExceeded.saying("Maximum file size exceeded"));
                    }
                    None => self.close = true,
                }
            }
            "connection" if self.version == 10 && lists("keep-alive") => self.close = false,
            "connection" if lists("close") => self.close = true,
            "transfer-encoding" if !self.bodyless => {
                if lists("chunked") {
                    self.chunked = Some(Chunked::default());
                } else {
                    self.close = true;
                    self.length_ignored = true;
                }
            }
            "content-encoding" if !self.bodyless && self.asked.compressed => {
                self.compressed = !value.is_empty() && !lists("identity");
            }
            "location" if (300..400).contains(&self.status) && self.location.is_none() && !value.is_empty() => {
                self.location = Some(value.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn head_end(&mut self, line: Vec<u8>, events: &mut Vec<Event>) -> Result<(), Failure> {
        let interim = (100..200).contains(&self.status) && self.status != 101;
        if !interim {
            if self.length_ignored || self.chunked.is_some() {
                self.size = None;
            }
            if self.size.is_none() && self.chunked.is_none() && !self.asked.head {
                if !self.close && self.version == 11 {
                    events.push(Event::Note("no chunk, no close, no size. Assume close to signal end"));
                }
                self.close = true;
            }
            if self.asked.max_filesize > 0 && self.size.is_some_and(|size| size > self.asked.max_filesize) {
                return Err(Code::FilesizeExceeded.saying("Maximum file size exceeded"));
            }
        }
        self.header_bytes += line.len() as u64;
        self.counted += line.len() as u64;
        let failed = !interim && self.asked.fail && self.status >= 400;
        events.push(if failed || interim { Event::QuietHeader(line) } else { Event::Header(line) });
        if interim {
            self.lines = 0;
            self.counted = 0;
            return Ok(());
        }
        if failed {
            let status = self.status;
            return Err(Code::HttpReturnedError.saying(format!("The requested URL returned error: {status}")));
        }
        self.body_hidden = self.asked.follow && self.location.is_some();
        self.stage = if self.asked.head || self.size == Some(0) || (self.body_hidden && self.close) {
            Stage::Done
        } else {
            Stage::Body
        };
        Ok(())
    }

    fn body(&mut self, received: &mut Vec<u8>, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.body_hidden && self.body_bytes == 0 {
            events.push(Event::Note("Ignoring the response-body"));
        }
        events.push(Event::Received(received.len()));
        if self.compressed && !self.body_hidden {
            return Err(Code::BadContentEncoding.saying(UNREADABLE));
        }
        if let Some(chunked) = &mut self.chunked {
            let mut pieces = Vec::new();
            let read = chunked.read(received, &mut pieces);
            let done = chunked.is_done();
            let used = *read.as_ref().unwrap_or(&received.len());
            let before = self.body_bytes;
            if self.asked.raw && !self.body_hidden {
                events.push(Event::Body(received.get(..used).unwrap_or_default().to_vec()));
            }
            received.drain(..used);
            for piece in pieces {
                self.piece(piece, events);
            }
            if done {
                self.stage = Stage::Done;
                self.close |= !received.is_empty();
            }
            return read.map(|_| ()).map_err(|text| {
                // curl counts what a read held only once all of it was understood.
                self.body_bytes = before;
                Code::RecvError.saying(format!("{text} in chunked-encoding"))
            });
        }
        let left = self.size.map_or(u64::MAX, |size| size - self.body_bytes);
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(received.len());
        let data: Vec<u8> = received.drain(..take).collect();
        self.piece(Piece::Data(data), events);
        if self.size == Some(self.body_bytes) {
            self.stage = Stage::Done;
            // More than was announced: the connection cannot be trusted.
            self.close |= !received.is_empty();
        }
        Ok(())
    }

    fn piece(&mut self, piece: Piece, events: &mut Vec<Event>) {
        match piece {
            Piece::Data(data) => {
                self.body_bytes += data.len() as u64;
                let shown_raw = self.asked.raw && self.chunked.is_some();
                if !self.body_hidden && !shown_raw {
                    events.push(Event::Body(data));
                }
            }
            Piece::Trailer(_) if self.asked.raw => {}
            Piece::Trailer(line) => events.push(Event::Header(line)),
        }
    }
}
