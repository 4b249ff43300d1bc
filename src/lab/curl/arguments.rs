//! Reads a command line as curl's tool does (`getparameter` and `parse_args` of `tool_getparam.c`): options one by one, each
//! acting on the part of the command line it stands in.

mod mistake;

use std::io;

use super::config_file;
use super::messages;
use super::operation::{Operation, Output, Plan, RequestKind, Target};
use super::options::{self, Apply, Known, Takes};

pub(super) use self::mistake::{Mistake, Stop};

/// What the pod's file system would answer.
pub(super) trait Files {
    /// The content of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// How reading a command line ended.
#[derive(Debug)]
pub(super) enum Parsed {
    /// With transfers to make.
    Plan(Box<Plan>),
    /// `-h`.
    Help(String),
    /// `-M`.
    Manual,
    /// `-V`.
    Version,
    /// With a mistake; its text is in the warnings.
    Mistake(Mistake),
    /// Standard input is needed before going on.
    StdinWanted,
}

/// The state while options are read.
pub(super) struct Parser<'f> {
    /// What is known so far, without the part being read.
    pub(super) plan: Plan,
    /// The part being read.
    pub(super) operation: Operation,
    /// What curl has written to its standard error so far.
    pub(super) stderr: String,
    /// `--remote-name-all`.
    pub(super) remote_name_all: bool,
    files: &'f dyn Files,
    stdin: Option<Vec<u8>>,
    targets: usize,
}

/// Reads the arguments, without the program's name. The second value is what curl writes to standard error meanwhile.
pub(super) fn parse(args: &[String], files: &dyn Files, stdin: Option<Vec<u8>>) -> (Parsed, String) {
    let mut parser = Parser {
        plan: Plan::default(),
        operation: Operation::default(),
        stderr: String::new(),
        remote_name_all: false,
        files,
        stdin,
        targets: 0,
    };
    if args.is_empty() {
        parser.stderr.push_str(messages::TRY_HELP);
        return (Parsed::Mistake(Mistake::BadUse), parser.stderr);
    }
    let parsed = parser.arguments(args);
    let stderr = std::mem::take(&mut parser.stderr);
    let last = std::mem::take(&mut parser.operation);
    parser.plan.operations.push(last);
    parser.plan.operations.iter_mut().for_each(Operation::complete);
    match parsed {
        Ok(()) => (Parsed::Plan(Box::new(parser.plan)), stderr),
        Err((_, Stop::Help(category))) => (Parsed::Help(category), stderr),
        Err((_, Stop::Manual)) => (Parsed::Manual, stderr),
        Err((_, Stop::Version)) => (Parsed::Version, stderr),
        Err((_, Stop::StdinWanted)) => (Parsed::StdinWanted, stderr),
        // `--next` is handled where it occurs.
        Err((_, Stop::Next)) => (Parsed::Plan(Box::new(parser.plan)), stderr),
        Err((option, Stop::Mistake(mistake))) => {
            let text = match option.as_str() {
                ":" => mistake.text().to_owned(),
                _ => format!("option {option}: {}", mistake.text()),
            };
            (Parsed::Mistake(mistake), stderr + &messages::usage(&text))
        }
    }
}

// === impl Parser ===

impl Parser<'_> {
    fn arguments(&mut self, args: &[String]) -> Result<(), (String, Stop)> {
        let mut rest = args;
        let mut options = true;
        while let Some((argument, tail)) = rest.split_first() {
            rest = tail;
            if argument == "--" && options {
                options = false;
                continue;
            }
            if !options || !argument.starts_with('-') {
                self.url(argument);
                continue;
            }
            match self.option(argument, tail.first().map(String::as_str)) {
                Ok(true) => rest = tail.get(1..).unwrap_or_default(),
                Ok(false) => {}
                Err(Stop::Next) => self.next(),
                Err(stop) => return Err((argument.clone(), stop)),
            }
        }
        Ok(())
    }

    /// Applies one option, `-x`, `-xyz`, `--long` or (in config files) `long`. True when `next` was used as its value.
    pub(super) fn option(&mut self, flag: &str, next: Option<&str>) -> Result<bool, Stop> {
        match flag.strip_prefix('-') {
            Some(letters) if !letters.starts_with('-') => self.letters(letters, next),
            Some(_) | None => self.long(flag.strip_prefix("--").unwrap_or(flag), next),
        }
    }

    fn long(&mut self, word: &str, next: Option<&str>) -> Result<bool, Stop> {
        let (name, on) = match word.strip_prefix("no-") {
            Some(name) => (name, false),
            None => (word, true),
        };
        let known = options::by_name(name, on)?;
        if !on && known.takes != Takes::Switch {
            return Err(Mistake::NotBoolean.into());
        }
        match known.takes {
            Takes::Nothing | Takes::Switch => self.apply(known, next.unwrap_or_default(), on).map(|()| false),
            Takes::Text | Takes::File => {
                let value = next.ok_or(Mistake::RequiresParameter)?;
                self.apply(known, value, on).map(|()| true)
            }
        }
    }

    /// `-sSo FILE`: letters until one takes a value, which is what follows the letter or else the next argument.
    fn letters(&mut self, letters: &str, next: Option<&str>) -> Result<bool, Stop> {
        let mut chars = letters.chars();
        // A lone dash is an option without a letter.
        if letters.is_empty() {
            return Err(Mistake::Unknown.into());
        }
        while let Some(letter) = chars.next() {
            let known = options::by_letter(letter).ok_or(Mistake::Unknown)?;
            match known.takes {
                Takes::Nothing | Takes::Switch => self.apply(known, next.unwrap_or_default(), true)?,
                Takes::Text | Takes::File => {
                    let glued = chars.as_str();
                    let value = if glued.is_empty() { next.ok_or(Mistake::RequiresParameter)? } else { glued };
                    self.apply(known, value, true)?;
                    return Ok(glued.is_empty());
                }
            }
        }
        Ok(false)
    }

    fn apply(&mut self, known: &Known, value: &str, on: bool) -> Result<(), Stop> {
        if known.takes == Takes::File && value.len() > 1 && value.starts_with('-') {
            self.warn(&format!("The file name argument '{value}' looks like a flag."));
        }
        match known.apply {
            Apply::Set(set) => set(self, value, on),
            Apply::Try(set) => set(self, value, on)?,
            Apply::Ignore => {}
            Apply::Refuse => return Err(Mistake::Unsupported.into()),
        }
        Ok(())
    }

    /// Begins a new part, unless the current one has no URL yet.
    pub(super) fn next(&mut self) {
        if self.operation.targets.first().is_some_and(|target| target.url.is_some()) {
            let done = std::mem::take(&mut self.operation);
            self.plan.operations.push(done);
        }
    }

    /// Puts a URL in the first target that has none.
    pub(super) fn url(&mut self, url: &str) {
        self.fill(|target| target.url.is_none(), |target| target.url = Some(url.to_owned()));
    }

    /// Puts an output in the first target that has none.
    pub(super) fn output(&mut self, output: Output) {
        let free = |target: &Target| matches!(target.output, None | Some(Output::RemoteNameByDefault));
        self.fill(free, |target| target.output = Some(output));
    }

    fn fill(&mut self, free: impl Fn(&Target) -> bool, fill: impl FnOnce(&mut Target)) {
        if let Some(target) = self.operation.targets.iter_mut().find(|target| free(target)) {
            return fill(target);
        }
        let output = self.remote_name_all.then_some(Output::RemoteNameByDefault);
        let mut target = Target { url: None, output, number: self.targets };
        self.targets += 1;
        fill(&mut target);
        self.operation.targets.push(target);
    }

    /// Notes what kind of request is asked for; two kinds are a mistake.
    pub(super) fn request(&mut self, kind: RequestKind) -> Result<(), Stop> {
        match self.operation.request {
            Some(earlier) if earlier != kind => {
                let text = kind.conflict(earlier);
                self.warn(&text);
                Err(Mistake::BadUse.into())
            }
            Some(_) | None => {
                self.operation.request = Some(kind);
                Ok(())
            }
        }
    }

    /// A file, or standard input for `-`.
    pub(super) fn read(&mut self, name: &str) -> Result<io::Result<Vec<u8>>, Stop> {
        if name == "-" { self.read_stdin().map(Ok) } else { Ok(self.files.read(name)) }
    }

    /// What is left of standard input.
    fn read_stdin(&mut self) -> Result<Vec<u8>, Stop> {
        self.stdin.as_mut().map(std::mem::take).ok_or(Stop::StdinWanted)
    }

    /// `-K`.
    pub(super) fn config(&mut self, name: &str) -> Result<(), Stop> {
        let Ok(content) = self.read(name)? else {
            self.error(&format!("cannot read config from '{name}'"));
            return Err(Mistake::ReadError.into());
        };
        config_file::apply(self, name, &content)
    }

    /// `Warning: ...`, unless `-s` came before.
    pub(super) fn warn(&mut self, text: &str) {
        if !self.plan.silent {
            self.stderr.push_str(&messages::warning(text));
        }
    }

    /// A warning without a line end.
    pub(super) fn warn_openly(&mut self, text: &str) {
        if !self.plan.silent {
            self.stderr.push_str(&messages::open_warning(text));
        }
    }

    /// `curl: ...`, unless `-s` came before.
    pub(super) fn error(&mut self, text: &str) {
        if !self.plan.silent {
            self.stderr.push_str(&messages::error(text));
        }
    }
}

impl std::fmt::Debug for Parser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").field("plan", &self.plan).finish_non_exhaustive()
    }
}
