//! One Envoy as a process that does not outlive the lab.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::lab::network::listener::AbortOnDrop;

/// Runs its arguments but the first, a directory to remove at the end, and kills them when its standard input ends: the kernel closes it with the lab, however that ends.
///
/// The lab forbids `unsafe`, so `PR_SET_PDEATHSIG` is out of reach. Ends as the program ends.
const WATCHDOG: &str = r#"
exec 3<&0
directory=$1
shift
"$@" </dev/null 3<&- &
envoy=$!
{ read -r _ <&3; kill -KILL "$envoy"; } >/dev/null 2>&1 &
watcher=$!
exec 3<&- >/dev/null 2>&1
trap '' HUP INT TERM PIPE
wait "$envoy"
status=$?
kill "$watcher" 2>/dev/null
rm -rf -- "$directory"
exit "$status"
"#;

/// A running Envoy; dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    /// Its end is the watchdog's signal.
    _lifeline: ChildStdin,
    child: Child,
    _readers: [AbortOnDrop; 2],
}

/// What an Envoy is started with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    /// Removed when it has ended.
    pub(super) directory: &'a Path,
    pub(super) program: &'a Path,
    pub(super) bootstrap: &'a Path,
    pub(super) admin_address: &'a Path,
}

// === impl Process ===

impl Process {
    /// Starts it; `line` gets each line of its standard output, `log` of its standard error.
    pub(super) fn start(
        start: &Start<'_>,
        line: impl Fn(&str) + Send + 'static,
        log: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCHDOG, "envoy-watchdog"])
            .arg(start.directory)
            .arg(start.program)
            .args(start.arguments());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: an interrupt at the terminal is for the lab to act on.
        command.process_group(0);
        let mut child = command.spawn()?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(lifeline), Some(stdout), Some(stderr)) = taken else {
            return Err(io::Error::other("the pipes of a new process are missing"));
        };
        let readers = [AbortOnDrop::spawn(lines(stdout, line)), AbortOnDrop::spawn(lines(stderr, log))];
        Ok(Self { _lifeline: lifeline, child, _readers: readers })
    }

    /// How it ended; `None` while it runs.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

async fn lines(from: impl AsyncRead + Unpin, each: impl Fn(&str)) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        each(&line);
    }
}

// === impl Start ===

impl Start<'_> {
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let paths: [(&str, PathBuf); 2] =
            [("--config-path", self.bootstrap.to_owned()), ("--admin-address-path", self.admin_address.to_owned())];
        for (name, path) in paths {
            arguments.extend([name.into(), path.into_os_string()]);
        }
        // One worker sees every connection in order; the log is read while the lab runs.
        for (name, value) in [("--concurrency", "1"), ("--file-flush-interval-msec", "5"), ("--log-level", "warning")] {
            arguments.extend([name.into(), value.into()]);
        }
        arguments.push("--disable-hot-restart".into());
        arguments
    }
}
