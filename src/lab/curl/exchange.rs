//! One request and its answer on one connection.

use super::Connector;
use super::clock::Clock;
use super::code::{Code, Failure};
use super::operation::RequestKind;
use super::outcome::Outcome;
use super::pool::Leased;
use super::request::Request;
use super::response::{Asked, Event, Response};
use super::sink::Streams;
use super::transfer::{State, Transfer, watch};

/// How a request on one connection ended, if not badly.
#[derive(Debug)]
pub(super) enum Ended {
    /// With an answer.
    Answered(Box<Response>),
    /// A connection that had served before was dead.
    Died,
}

/// What curl says when a header line cannot be written; what was received counts for nothing then.
const HEADER_NOT_WRITTEN: &str = "Failed writing header";

// === impl Transfer ===

impl<C: Connector> Transfer<'_, C> {
    /// Sends the request and shows the answer.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        leased: &mut Leased,
        state: &mut State<'_, '_>,
    ) -> Result<Ended, Failure> {
        let head = request.head();
        let body = request.body().unwrap_or_default();
        if let Some(login) = request.basic_login() {
            state.outcome.trace.note(&format!("Server auth using Basic with user '{login}'"));
        }
        state.outcome.trace.sent(&head);
        state.outcome.trace.data_sent(body.len());
        state.say().await;
        let mut bytes = head.into_bytes();
        bytes.extend(request.encoded_body());
        state.outcome.uploaded = body.len() as u64;
        state.outcome.request_bytes += bytes.len() as u64;
        (state.meter.up.done, state.meter.up.size) = (state.outcome.uploaded, Some(state.outcome.uploaded));
        let mut response = Response::new(self.asked(request));
        let sending = state.clock.within(leased.stream.send(&bytes));
        let sent = watch(&mut state.meter, state.streams, sending).await;
        match sent.ok_or_else(|| timed_out(&state.clock, &response))? {
            Err(failure) if leased.reused => {
                state.outcome.trace.note(&failure.message);
                return Ok(Ended::Died);
            }
            sent => sent?,
        }
        let received = self.receive(&mut response, leased, state).await;
        state.outcome.header_bytes += response.header_bytes;
        state.outcome.downloaded = response.body_bytes;
        match received {
            Err(failure) if leased.reused && response.is_empty() && died(&failure) => {
                if failure.code != Code::GotNothing {
                    state.outcome.trace.note(&failure.message);
                }
                Ok(Ended::Died)
            }
            Err(failure) => Err(failure),
            Ok(()) => Ok(Ended::Answered(Box::new(response))),
        }
    }

    async fn receive(
        &self,
        response: &mut Response,
        leased: &mut Leased,
        state: &mut State<'_, '_>,
    ) -> Result<(), Failure> {
        let mut events = Vec::new();
        while !response.is_done() {
            let receiving = state.clock.within(leased.stream.receive());
            let received = watch(&mut state.meter, state.streams, receiving).await;
            let received = received.ok_or_else(|| timed_out(&state.clock, response))??;
            if response.is_empty() {
                state.outcome.times.start_transfer = state.clock.elapsed();
            }
            let fed = match received {
                0 => response.closed(),
                _ => response.feed(&mut leased.stream.pending, &mut events),
            };
            (state.meter.down.done, state.meter.down.size) = (response.body_bytes, response.size);
            note(response, &mut state.outcome);
            for event in events.drain(..) {
                if let Err(failure) = self.show(event, state).await {
                    if failure.message == HEADER_NOT_WRITTEN {
                        response.forget_head();
                        state.outcome.content_type = None;
                        note(response, &mut state.outcome);
                    }
                    return Err(failure);
                }
            }
            state.streams.flush().await?;
            fed?;
        }
        // What came after the answer is nobody's.
        leased.stream.pending.clear();
        Ok(())
    }

    async fn show(&self, event: Event, state: &mut State<'_, '_>) -> Result<(), Failure> {
        match event {
            Event::Header(line) => {
                self.header(&line, state.streams).await?;
                state.outcome.trace.received(&line);
            }
            Event::QuietHeader(line) => self.header(&line, state.streams).await?,
            Event::Note(text) => state.outcome.trace.note(text),
            Event::Received(bytes) => state.outcome.trace.data_received(bytes),
            Event::Body(data) => self.sink.write(&data, state.streams).await?,
        }
        state.say().await;
        Ok(())
    }

    async fn header(&self, line: &[u8], streams: &mut Streams<'_>) -> Result<(), Failure> {
        match self.operation.dump_header.as_deref() {
            Some("-" | "/dev/stdout") => streams.out(line),
            Some("/dev/stderr") => streams.error(line).await,
            Some(_) | None => {}
        }
        if self.operation.include {
            let written = self.sink.write(line, streams).await;
            written.map_err(|failure| failure.code.saying(HEADER_NOT_WRITTEN))?;
        }
        Ok(())
    }

    fn asked(&self, request: &Request<'_>) -> Asked {
        let operation = self.operation;
        Asked {
            head: request.kind == RequestKind::Head,
            fail: operation.fail,
            follow: operation.location,
            http09: operation.http09,
            raw: operation.raw,
            ignore_length: operation.ignore_content_length,
            compressed: operation.compressed,
            max_filesize: operation.max_filesize,
        }
    }
}

/// Whether this is how a connection fails that the server closed while it was idle.
fn died(failure: &Failure) -> bool {
    matches!(failure.code, Code::GotNothing | Code::RecvError | Code::SendError)
}

fn timed_out(clock: &Clock, response: &Response) -> Failure {
    let ms = clock.step_elapsed().as_millis();
    let got = response.body_bytes;
    let out_of = response.size.map_or(String::new(), |size| format!(" out of {size}"));
    let text = format!("Operation timed out after {ms} milliseconds with {got}{out_of} bytes received");
    Code::OperationTimedout.saying(text)
}

/// Keeps what `-w` tells about the answer.
fn note(response: &Response, outcome: &mut Outcome) {
    if response.status == 0 {
        return;
    }
    outcome.status = response.status;
    outcome.version = Some(match response.version {
        10 => "1",
        20 => "2",
        _ => "1.1",
    });
    outcome.headers.clone_from(&response.headers);
    outcome.header_count = response.headers.len();
    let content_type = response.header("content-type").filter(|value| !value.trim().is_empty());
    outcome.content_type = content_type.map(str::to_owned).or(outcome.content_type.take());
    if let Some(seconds) = response.header("retry-after").and_then(|value| value.parse().ok()) {
        outcome.retry_after = seconds;
    }
}
