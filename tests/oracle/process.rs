//! A process of the Go program: meshes in, answers out, a time limit on every wait, and its end with ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For one mesh, the start of the process included; a mesh takes tenths of a second.
const PATIENCE: Duration = Duration::from_mins(2);
/// For the process to end when nothing more is asked.
const FAREWELL: Duration = Duration::from_secs(20);
/// Meshes that one process is asked: it gives back none of the some 4 MB of each.
pub(crate) const LIFETIME: usize = 250;

pub(crate) struct Oracle {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    asked: usize,
}

// === impl Oracle ===

impl Oracle {
    pub(crate) fn start(binary: &Path) -> Result<Self, String> {
        let mut command = Command::new(binary);
        command.args(["-j", "1"]).env("GOMEMLIMIT", "3GiB").env("GOMAXPROCS", "1").env("GOGC", "300");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("the oracle has no output")?;
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, stdin, answers, asked: 0 })
    }

    /// Whether it has been asked enough.
    pub(crate) fn is_spent(&self) -> bool {
        self.asked >= LIFETIME
    }

    /// Sends a mesh; answers come in the order of the meshes.
    pub(crate) fn send(&mut self, id: &str, mesh: &str) -> Result<(), String> {
        self.asked += 1;
        let line = format!("{}\n", json!({"id": id, "mesh": mesh}));
        let stdin = self.stdin.as_mut().ok_or("nothing more can be asked")?;
        stdin
            .write_all(line.as_bytes())
            .and_then(|()| stdin.flush())
            .map_err(|error| format!("the oracle is gone: {error}"))
    }

    /// The next answer.
    pub(crate) fn receive(&mut self) -> Result<Value, String> {
        let line = self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("no answer within {} s", PATIENCE.as_secs()),
            RecvTimeoutError::Disconnected => "the oracle ended without an answer".to_owned(),
        })?;
        serde_json::from_str(&line).map_err(|error| format!("not an answer: {error}"))
    }

    pub(crate) fn ask(&mut self, id: &str, mesh: &str) -> Result<Value, String> {
        self.send(id, mesh)?;
        self.receive()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let began = Instant::now();
        while began.elapsed() < FAREWELL && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Where it has ended by itself there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
