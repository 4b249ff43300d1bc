//! Where curl writes: the caller's two streams, and what `-o` makes of the body.

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::code::{Code, Failure};
use super::messages;

/// Standard output and standard error. Errors of standard error are nobody's business.
pub(super) struct Streams<'a> {
    stdout: &'a mut (dyn AsyncWrite + Send + Unpin),
    stderr: &'a mut (dyn AsyncWrite + Send + Unpin),
    /// Not yet written to standard output.
    pending: Vec<u8>,
    /// `-s`: no warnings.
    pub(super) silent: bool,
    /// `-v`.
    pub(super) verbose: bool,
    /// `--stderr -`.
    pub(super) errors_to_stdout: bool,
}

/// Where a body goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sink {
    /// To standard output.
    Stdout,
    /// To a device, under this name.
    Device(String, Device),
    /// To a file, which cannot be created: pods here have no disk.
    File(String),
}

/// Devices every pod has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    /// Forgets everything.
    Null,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

// === impl Streams ===

impl<'a> Streams<'a> {
    /// Over the caller's streams.
    pub(super) fn new(
        stdout: &'a mut (dyn AsyncWrite + Send + Unpin),
        stderr: &'a mut (dyn AsyncWrite + Send + Unpin),
    ) -> Self {
        Self { stdout, stderr, pending: Vec::new(), silent: false, verbose: false, errors_to_stdout: false }
    }

    /// Writes to standard output, at the next flush.
    pub(super) fn out(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
    }

    /// Writes what is waiting for standard output.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.pending);
        let written = async {
            self.stdout.write_all(&bytes).await?;
            self.stdout.flush().await
        };
        written.await.map_err(|_| Code::WriteError.saying("Failure writing output to destination"))
    }

    /// Writes where curl's messages go. Nobody can be told if that fails.
    pub(super) async fn tell(&mut self, text: &str) {
        if self.errors_to_stdout {
            self.out(text.as_bytes());
            let _ = self.flush().await;
        } else {
            self.error(text.as_bytes()).await;
        }
    }

    /// Writes to standard error itself.
    pub(super) async fn error(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let _ = self.stderr.write_all(bytes).await;
        let _ = self.stderr.flush().await;
    }

    /// `Warning: ...`, unless `-s`.
    pub(super) async fn warn(&mut self, text: &str) {
        if !self.silent {
            self.tell(&messages::warning(text)).await;
        }
    }
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

// === impl Sink ===

impl Sink {
    /// What a name after `-o` stands for.
    pub(super) fn named(name: &str) -> Self {
        let device = match name {
            "-" => return Self::Stdout,
            "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Device::Stdout,
            "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Device::Stderr,
            "/dev/null" => Device::Null,
            other => return Self::File(other.to_owned()),
        };
        Self::Device(name.to_owned(), device)
    }

    /// What `-w` calls the file.
    pub(super) fn file_name(&self) -> Option<&str> {
        match self {
            Self::Stdout => None,
            Self::Device(name, _) | Self::File(name) => Some(name),
        }
    }

    /// Opens it, if it is a file; that fails.
    pub(super) async fn open(&self, streams: &mut Streams<'_>) -> Result<(), Failure> {
        match self {
            Self::File(name) => {
                let text = format!("Failed to open the file {name}: Read-only file system");
                streams.warn(&text).await;
                Err(Code::WriteError.saying("Failure writing output to destination"))
            }
            Self::Stdout | Self::Device(..) => Ok(()),
        }
    }

    /// Writes part of a body, or header lines for `-i`.
    pub(super) async fn write(&self, bytes: &[u8], streams: &mut Streams<'_>) -> Result<(), Failure> {
        self.open(streams).await?;
        match self {
            Self::Stdout | Self::Device(_, Device::Stdout) => streams.out(bytes),
            Self::Device(_, Device::Stderr) => streams.error(bytes).await,
            Self::Device(_, Device::Null) | Self::File(_) => {}
        }
        Ok(())
    }
}
