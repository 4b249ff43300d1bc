//! Reads `Transfer-Encoding: chunked` (`http_chunks.c`), one byte's rule at a time.

/// The state between reads.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    hex: String,
    left: u64,
    trailer: Vec<u8>,
}

/// What a read yields.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Part of the body.
    Data(Vec<u8>),
    /// A header line after the body.
    Trailer(Vec<u8>),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Hex,
    HexLf,
    Data,
    DataLf,
    Trailer,
    TrailerLf,
    AfterTrailer,
    FinalLf,
    Done,
}

/// Most digits of a chunk size.
const MOST_DIGITS: usize = 16;

// === impl Chunked ===

impl Chunked {
    /// Whether the last chunk was read.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads on; returns how much was used, which is all unless the end was reached. The error is curl's text.
    pub(super) fn read(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<usize, &'static str> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Done => break,
                State::Data => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                    pieces.push(Piece::Data(rest.get(..take).unwrap_or_default().to_vec()));
                    at += take;
                    self.left -= take as u64;
                    if self.left == 0 {
                        self.state = State::DataLf;
                    }
                }
                _ => {
                    if self.step(byte, pieces)? {
                        at += 1;
                    }
                }
            }
        }
        Ok(at)
    }

    /// One byte outside of data; false if the byte belongs to the next state.
    fn step(&mut self, byte: u8, pieces: &mut Vec<Piece>) -> Result<bool, &'static str> {
        match self.state {
            State::Hex if byte.is_ascii_hexdigit() => {
                if self.hex.len() >= MOST_DIGITS {
                    return Err("Too long hexadecimal number");
                }
                self.hex.push(char::from(byte));
            }
            State::Hex => {
                self.left = i64::from_str_radix(&self.hex, 16)
                    .ok()
                    .and_then(|left| u64::try_from(left).ok())
                    .ok_or("Illegal or missing hexadecimal sequence")?;
                self.hex.clear();
                self.state = State::HexLf;
                return Ok(false);
            }
            State::HexLf if byte == b'\n' => self.state = if self.left == 0 { State::Trailer } else { State::Data },
            State::HexLf => {}
            State::DataLf if byte == b'\n' => self.state = State::Hex,
            State::DataLf if byte == b'\r' => {}
            State::Trailer if matches!(byte, b'\r' | b'\n') => return Ok(self.trailer_end(byte, pieces)),
            State::Trailer => self.trailer.push(byte),
            State::TrailerLf if byte == b'\n' => self.state = State::AfterTrailer,
            State::AfterTrailer if !matches!(byte, b'\r' | b'\n') => {
                self.state = State::Trailer;
                return Ok(false);
            }
            State::AfterTrailer => {
                self.state = State::FinalLf;
                return Ok(byte == b'\r');
            }
            State::FinalLf if byte == b'\n' => self.state = State::Done,
            State::DataLf | State::TrailerLf | State::FinalLf => return Err("Malformed encoding found"),
            State::Data | State::Done => return Ok(false),
        }
        Ok(true)
    }

    fn trailer_end(&mut self, byte: u8, pieces: &mut Vec<Piece>) -> bool {
        if self.trailer.is_empty() {
            self.state = State::AfterTrailer;
            return false;
        }
        let mut line = std::mem::take(&mut self.trailer);
        line.extend(b"\r\n");
        pieces.push(Piece::Trailer(line));
        self.state = State::TrailerLf;
        byte != b'\n'
    }
}
