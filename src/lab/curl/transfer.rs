//! One URL: requests, redirects, and one more try where an idle connection turned out dead.

use std::future::Future;

use tokio::select;

use super::Connector;
use super::clock::Clock;
use super::code::{Code, Failure};
use super::connect::Dial;
use super::exchange::Ended;
use super::operation::{Operation, RequestKind};
use super::outcome::Outcome;
use super::pool::{Leased, Pool};
use super::progress::{Meter, Style};
use super::request::Request;
use super::response::Response;
use super::sink::{Sink, Streams};
use super::trace::Trace;
use super::url::{self, Url};

/// One transfer and what it needs.
#[derive(Debug)]
pub(super) struct Transfer<'a, C> {
    /// The pod's network.
    pub(super) connector: &'a C,
    /// The settings.
    pub(super) operation: &'a Operation,
    /// The URL, expanded.
    pub(super) url: &'a str,
    /// Where the body goes.
    pub(super) sink: &'a Sink,
}

/// What changes while a transfer runs.
#[derive(Debug)]
pub(super) struct State<'p, 's> {
    pool: &'p mut Pool,
    /// Where everything is written.
    pub(super) streams: &'p mut Streams<'s>,
    /// The limits.
    pub(super) clock: Clock,
    /// What happened so far.
    pub(super) outcome: Outcome,
    /// What is shown meanwhile.
    pub(super) meter: Meter,
    /// Connections that turned out dead.
    died: u32,
}

/// Fresh connections tried after dead ones, in one transfer.
const MOST_RETRIES: u32 = 5;

// === impl State ===

impl<'p, 's> State<'p, 's> {
    /// At the beginning of a transfer.
    pub(super) fn new(operation: &Operation, pool: &'p mut Pool, streams: &'p mut Streams<'s>, style: Style) -> Self {
        let clock = Clock::start(operation.max_time, operation.connect_timeout);
        let outcome = Outcome { trace: Trace::new(streams.verbose), ..Outcome::default() };
        Self { pool, streams, clock, outcome, meter: Meter::new(style), died: 0 }
    }

    /// Says what `-v` has to say.
    pub(super) async fn say(&mut self) {
        let text = self.outcome.trace.take();
        self.streams.tell(&text).await;
    }
}

/// Does the work and shows the meter every second.
pub(super) async fn watch<T>(meter: &mut Meter, streams: &mut Streams<'_>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        select! {
            biased;
            done = &mut work => return done,
            () = meter.due() => streams.tell(&meter.tick()).await,
        }
    }
}

// === impl Transfer ===

impl<C: Connector> Transfer<'_, C> {
    /// Runs it; how it ended is in the outcome.
    pub(super) async fn run(&self, mut state: State<'_, '_>) -> Outcome {
        self.url.clone_into(&mut state.outcome.url);
        state.outcome.file = self.sink.file_name().map(str::to_owned);
        if let Err(failure) = self.follow(&mut state).await {
            state.outcome.failure = Some(failure);
        }
        if let Err(failure) = state.streams.flush().await {
            state.outcome.failure.get_or_insert(failure);
        }
        state.say().await;
        state.outcome.times.total = state.clock.elapsed();
        state.outcome
    }

    async fn follow(&self, state: &mut State<'_, '_>) -> Result<(), Failure> {
        let operation = self.operation;
        let mut kind = operation.kind();
        let mut referer = operation.referer.clone();
        state.outcome.method = operation.method.clone().unwrap_or_else(|| kind.method().to_owned());
        state.pool.pins.load(&operation.resolve, &mut state.outcome.trace)?;
        let first = url::parse(&self.with_default_scheme(), operation.path_as_is)?;
        let mut url = first.clone();
        let mut old_server = false;
        loop {
            state.outcome.url = url.to_string();
            supported(operation, &url).inspect_err(|failure| {
                state.outcome.trace.note(&failure.message);
                state.outcome.trace.note("Closing connection -1");
            })?;
            let request =
                Request { operation, url: &url, kind, first: &first, referer: referer.as_deref(), old_server };
            request.method().clone_into(&mut state.outcome.method);
            state.outcome.referer.clone_from(&referer);
            let response = self.ask(&request, state).await?;
            let base = match &operation.user {
                Some(user) if request.may_authenticate() => url.with_login(user),
                Some(_) | None => url.clone(),
            };
            old_server = response.version == 10;
            let Some(location) = response.location.clone() else { return Ok(()) };
            if !operation.location {
                let next = base.join(&location, operation.path_as_is);
                state.outcome.redirect_url = Some(next.map_or(location, |url| url.to_string()));
                return Ok(());
            }
            let next = self.redirected(&base, &location, &mut state.outcome);
            let next = next.inspect_err(|failure| state.outcome.trace.note(&failure.message))?;
            if operation.auto_referer {
                referer = Some(url.without_login());
            }
            kind = after_redirect(operation, kind, response.status);
            url = next;
            state.outcome.trace.note(&format!("Issue another request to this URL: '{url}'"));
            state.outcome.times.redirect = state.clock.elapsed();
            state.clock.next_step();
        }
    }

    fn with_default_scheme(&self) -> String {
        match &self.operation.default_protocol {
            Some(scheme) if url::scheme(self.url, true).is_none() => format!("{scheme}://{}", self.url),
            Some(_) | None => self.url.to_owned(),
        }
    }

    fn redirected(&self, url: &Url, location: &str, outcome: &mut Outcome) -> Result<Url, Failure> {
        let most = self.operation.max_redirs;
        let next = url.join(location, self.operation.path_as_is);
        if most >= 0 && i64::from(outcome.redirects) >= most {
            outcome.redirect_url = Some(next.map_or_else(|_| location.to_owned(), |url| url.to_string()));
            return Err(Code::TooManyRedirects.saying(format!("Maximum ({most}) redirects followed")));
        }
        outcome.redirects += 1;
        next.map_err(|malformed| {
            malformed.code().saying(format!("The redirect target URL could not be parsed: {malformed}"))
        })
    }

    /// One request, on as many connections as it takes.
    async fn ask(&self, request: &Request<'_>, state: &mut State<'_, '_>) -> Result<Response, Failure> {
        let mut fresh = false;
        loop {
            let mut leased = self.lease(request.url, fresh, state).await?;
            state.outcome.times.pretransfer = state.clock.elapsed();
            let ended = self.exchange(request, &mut leased, state).await;
            let trace = &mut state.outcome.trace;
            let result = match ended {
                Ok(Ended::Died) if state.died < MOST_RETRIES => {
                    state.died += 1;
                    trace.note(&format!("Connection died, retrying a fresh connect (retry count: {})", state.died));
                    Ok(None)
                }
                Ok(Ended::Died) => {
                    let text = format!("Connection died, tried {MOST_RETRIES} times before giving up");
                    Err(Code::SendError.saying(text))
                }
                Ok(Ended::Answered(response)) => Ok(Some(response)),
                Err(failure) => Err(failure),
            };
            if let Err(failure) = &result {
                trace.note(&failure.message);
            }
            state.say().await;
            state.streams.tell(&state.meter.end()).await;
            let keep = result.as_ref().is_ok_and(|answer| answer.as_ref().is_some_and(|it| it.keeps_connection()));
            state.pool.put_back(leased, keep, &mut state.outcome.trace);
            if let Some(response) = result? {
                return Ok(*response);
            }
            state.outcome.trace.note(&format!("Issue another request to this URL: '{}'", request.url));
            fresh = true;
        }
    }

    async fn lease(&self, url: &Url, fresh: bool, state: &mut State<'_, '_>) -> Result<Leased, Failure> {
        state.outcome.begun = true;
        let begin = state.meter.begin();
        state.streams.tell(&begin).await;
        let dial = Dial { connector: self.connector, operation: self.operation, clock: &state.clock };
        let work = state.pool.lease(&dial, url, fresh, &mut state.outcome);
        let leased = watch(&mut state.meter, state.streams, work).await;
        state.say().await;
        if leased.as_ref().is_err_and(|failure| failure.code != Code::CouldntResolveHost) {
            state.streams.tell(&state.meter.end()).await;
        }
        leased
    }
}

/// What kind the next request is (`Curl_follow`).
fn after_redirect(operation: &Operation, kind: RequestKind, status: u16) -> RequestKind {
    let keep = operation.keep_post;
    match (kind, status) {
        (RequestKind::Post, 301) if !keep.on_301 => RequestKind::Get,
        (RequestKind::Post, 302) if !keep.on_302 => RequestKind::Get,
        (RequestKind::Post, 303) if !keep.on_303 => RequestKind::Get,
        (kind, _) => kind,
    }
}

/// Only HTTP is spoken here.
fn supported(operation: &Operation, url: &Url) -> Result<(), Failure> {
    let known = matches!(url.scheme.as_str(), "http" | "https");
    let allowed = operation.protocols.as_ref().is_none_or(|names| names.contains(&url.scheme));
    if known && allowed {
        return Ok(());
    }
    let text = format!("Protocol \"{}\" not supported or disabled in libcurl", url.scheme);
    Err(Code::UnsupportedProtocol.saying(text))
}
