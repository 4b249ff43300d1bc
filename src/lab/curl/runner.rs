//! Runs a plan: transfers one after another, their messages, `-w`, and what the process exits with (`serial_transfers`,
//! `post_per_transfer` of `tool_operate.c`).

use super::Connector;
use super::code::{Code, Failure};
use super::glob::Glob;
use super::messages;
use super::operation::{Operation, Output, Plan, RequestKind, Target};
use super::outcome::Outcome;
use super::pool::Pool;
use super::progress::Style;
use super::retry::Retries;
use super::sink::{Sink, Streams};
use super::transfer::{State, Transfer};
use super::url;
use super::write_out::{self, About};

/// A run in progress.
#[derive(Debug)]
pub(super) struct Runner<'a, 's, C> {
    connector: &'a C,
    plan: &'a Plan,
    streams: Streams<'s>,
    pool: Pool,
    /// Exit code of the last transfer.
    last: Option<Code>,
}

/// Nothing more is done.
struct Over(Code);

// === impl Runner ===

impl<'a, 's, C: Connector> Runner<'a, 's, C> {
    /// Ready to run.
    pub(super) fn new(connector: &'a C, plan: &'a Plan, streams: Streams<'s>) -> Self {
        Self { connector, plan, streams, pool: Pool::default(), last: None }
    }

    /// Runs everything.
    pub(super) async fn run(mut self) -> Code {
        let plan = self.plan;
        for operation in &plan.operations {
            if let Err(Over(code)) = self.operation(operation).await {
                return match self.last {
                    Some(last) if last != Code::Ok => last,
                    Some(_) | None => code,
                };
            }
        }
        if let Some(last) = self.last {
            return last;
        }
        self.complain("no transfer performed").await;
        Code::ReadError
    }

    async fn operation(&mut self, operation: &Operation) -> Result<(), Over> {
        if operation.targets.first().is_none_or(|target| target.url.is_none()) {
            self.streams.tell(&messages::usage("no URL specified!")).await;
            return Err(Over(Code::FailedInit));
        }
        let data = operation.body.is_some();
        let kind = if data && !operation.body_as_query { RequestKind::Post } else { operation.kind() };
        if let Some(earlier) = operation.request.filter(|earlier| data && *earlier != kind) {
            self.streams.warn(&kind.conflict(earlier)).await;
            return Err(Over(Code::FailedInit));
        }
        let mut warned = false;
        for target in &operation.targets {
            let Some(url) = &target.url else {
                if !warned {
                    self.streams.warn("Got more output options than URLs").await;
                    warned = true;
                }
                continue;
            };
            let glob = if operation.glob_off { Ok(Glob::literal(url)) } else { Glob::parse(url) };
            let glob = match glob {
                Ok(glob) => glob,
                Err(malformed) => {
                    if self.plan.tells_errors() {
                        self.streams.tell(&format!("curl: (3) {malformed}\n")).await;
                    }
                    return Err(Over(Code::UrlMalformat));
                }
            };
            for (url, choices) in glob.urls() {
                self.prepared(operation, target, &url, &choices).await?;
            }
        }
        Ok(())
    }

    /// A URL with its query and its output.
    async fn prepared(
        &mut self,
        operation: &Operation,
        target: &Target,
        url: &str,
        choices: &[&str],
    ) -> Result<(), Over> {
        let sink = match self.sink(target, url, choices).await {
            Ok(sink) => sink,
            Err(failure) => {
                let mut outcome = Outcome { failure: Some(failure), ..Outcome::default() };
                outcome.method = operation.method.clone().unwrap_or_else(|| operation.kind().method().to_owned());
                return self.finish(operation, target, url, &mut outcome).await;
            }
        };
        self.judge_method(operation).await;
        let data = operation.body.as_ref().filter(|_| operation.body_as_query);
        let query = data.map(|data| String::from_utf8_lossy(data).into_owned()).or_else(|| operation.query.clone());
        let Some(query) = query else { return self.transfer(operation, target, url, &sink).await };
        match url::parse(url, operation.path_as_is) {
            Ok(parsed) => {
                let url = parsed.with_query(&query).to_string();
                self.transfer(operation, target, &url, &sink).await
            }
            Err(malformed) => {
                let code = malformed.code();
                self.complain(&format!("({}) Could not parse the URL, failed to set query", code.number())).await;
                Err(Over(code))
            }
        }
    }

    /// `customrequest_helper`: what `-X` was not needed for.
    async fn judge_method(&mut self, operation: &Operation) {
        let Some(method) = &operation.method else { return };
        let inferred = operation.kind().method();
        if method.eq_ignore_ascii_case(inferred) {
            if self.plan.verbose && !self.plan.silent {
                let text = format!("Unnecessary use of -X or --request, {inferred} is already inferred.");
                self.streams.tell(&messages::note(&text)).await;
            }
        } else if method.eq_ignore_ascii_case("head") {
            let text = "Setting custom HTTP method to HEAD with -X/--request may not work the way you want. Consider using \
                        -I/--head instead.";
            self.streams.warn(text).await;
        }
    }

    /// Where the body goes. `#1` in a file's name is what the first alternative of the URL was.
    async fn sink(&mut self, target: &Target, url: &str, choices: &[&str]) -> Result<Sink, Failure> {
        match &target.output {
            Some(Output::File(name)) => Ok(Sink::named(&with_choices(name, choices))),
            Some(Output::RemoteName | Output::RemoteNameByDefault) => {
                let Ok(parsed) = url::parse(url, false) else {
                    self.complain("Failed to extract a sensible file name from the URL to use for storage!").await;
                    return Err(Code::UrlMalformat.plain());
                };
                if parsed.file_name().is_empty() {
                    self.complain("Remote file name has no length!").await;
                    return Err(Code::WriteError.plain());
                }
                Ok(Sink::File(parsed.file_name().to_owned()))
            }
            Some(Output::Stdout) | None => Ok(Sink::Stdout),
        }
    }

    /// One URL, as often as `--retry` wants.
    async fn transfer(&mut self, operation: &Operation, target: &Target, url: &str, sink: &Sink) -> Result<(), Over> {
        let mut retries = Retries::new(&operation.retry);
        loop {
            let transfer = Transfer { connector: self.connector, operation, url, sink };
            let style = self.style(sink);
            let state = State::new(operation, &mut self.pool, &mut self.streams, style);
            let mut outcome = transfer.run(state).await;
            self.tell_failure(operation, &mut outcome).await;
            self.create_empty(sink, &mut outcome).await;
            if style == Style::Bar && outcome.begun {
                self.streams.tell("\n").await;
            }
            match retries.after(&outcome) {
                Ok(None) => return self.write_out(operation, target, url, &outcome).await,
                Err(warning) => {
                    if !self.plan.silent {
                        self.streams.tell(&messages::open_warning(warning)).await;
                    }
                    return self.write_out(operation, target, url, &outcome).await;
                }
                Ok(Some(again)) => {
                    self.streams.warn(&again.warning).await;
                    if sink.file_name().is_some() && outcome.downloaded > 0 {
                        return self.cannot_rewind(&outcome).await;
                    }
                    tokio::time::sleep(again.pause).await;
                }
            }
        }
    }

    fn style(&self, sink: &Sink) -> Style {
        match () {
            () if self.plan.silent || self.plan.no_meter => Style::Hidden,
            () if self.connector.is_terminal() && *sink == Sink::Stdout => Style::Hidden,
            () if self.plan.bar => Style::Bar,
            () => Style::Meter,
        }
    }

    /// curl throws away what a failed try wrote to a named file, and cannot do that to a device.
    async fn cannot_rewind(&mut self, outcome: &Outcome) -> Result<(), Over> {
        if !self.plan.silent {
            self.streams.tell(&format!("Throwing away {} bytes\n", outcome.downloaded)).await;
        }
        if self.plan.tells_errors() {
            self.streams.tell("curl: (23) Failed to truncate file\n").await;
        }
        self.ended(Code::WriteError)
    }

    async fn finish(
        &mut self,
        operation: &Operation,
        target: &Target,
        url: &str,
        outcome: &mut Outcome,
    ) -> Result<(), Over> {
        self.tell_failure(operation, outcome).await;
        self.write_out(operation, target, url, outcome).await
    }

    /// Tells about a failure, and makes one of a bad status for `--fail-with-body`.
    async fn tell_failure(&mut self, operation: &Operation, outcome: &mut Outcome) {
        let mut text = String::new();
        if let Some(failure) = &outcome.failure {
            text = format!("curl: ({}) {}\n", failure.code.number(), failure.message);
            if failure.code == Code::PeerFailedVerification {
                text.push_str(messages::CA_CERT_HINT);
            }
        } else if operation.fail_with_body && outcome.status >= 400 {
            text = format!("curl: (22) The requested URL returned error: {}\n", outcome.status);
            outcome.failure = Some(Code::HttpReturnedError.plain());
        }
        if self.plan.tells_errors() {
            self.streams.tell(&text).await;
        }
    }

    /// A file is created even for an empty body, which fails here; curl says no more than its warning then.
    async fn create_empty(&mut self, sink: &Sink, outcome: &mut Outcome) {
        if outcome.failure.is_none()
            && let Err(failure) = sink.open(&mut self.streams).await
        {
            outcome.failure = Some(Failure { message: failure.code.text().into(), ..failure });
        }
    }

    async fn write_out(
        &mut self,
        operation: &Operation,
        target: &Target,
        url: &str,
        outcome: &Outcome,
    ) -> Result<(), Over> {
        if let Some(format) = &operation.write_out {
            let written = write_out::expand(format, About { url, number: target.number, outcome });
            self.streams.out(written.stdout.as_bytes());
            // Nobody can be told when this fails.
            let _ = self.streams.flush().await;
            self.streams.error(written.stderr.as_bytes()).await;
        }
        self.ended(outcome.failure.as_ref().map_or(Code::Ok, |failure| failure.code))
    }

    fn ended(&mut self, code: Code) -> Result<(), Over> {
        self.last = Some(code);
        let over = code.ends_everything() || (code != Code::Ok && self.plan.fail_early);
        if over { Err(Over(code)) } else { Ok(()) }
    }

    /// `curl: ...`, unless `-s`.
    async fn complain(&mut self, text: &str) {
        if !self.plan.silent {
            self.streams.tell(&messages::error(text)).await;
        }
    }
}

/// `glob_match_url`: `#1` becomes the first choice; numbers without a choice stay.
fn with_choices(name: &str, choices: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('#') {
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = after.split_at_checked(digits).unwrap_or(("", after));
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        if let Some(choice) = place.and_then(|place| choices.get(place)) {
            out.push_str(choice);
            rest = tail;
        } else {
            out.push('#');
            rest = after;
        }
    }
    out + rest
}
