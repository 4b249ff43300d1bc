//! The seeds' own loop: curl in every sleep pod towards every httpbin, and what it printed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::kubectl::printed;

/// Client namespace, server namespace, Service port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// Namespace of the sleep that calls.
    pub(crate) client: String,
    /// Namespace of the httpbin that is called.
    pub(crate) server: String,
    /// Port of its Service.
    pub(crate) port: u16,
}

/// What curl showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// `%{http_code}`.
    pub(crate) code: String,
    /// Exit status.
    pub(crate) exit: u8,
    /// X-Forwarded-Client-Cert as the application wrote it back, in JSON.
    pub(crate) xfcc: Option<String>,
    /// Whether the last answers were the same; connections of the time before a policy answer once more each.
    pub(crate) stable: bool,
}

/// Namespaces of the world.
pub(crate) const NAMESPACES: [&str; 3] = ["foo", "bar", "legacy"];
/// Service ports of each httpbin: http, TCP by name, and one without a protocol.
pub(crate) const PORTS: [u16; 3] = [8000, 9000, 9001];

/// curl's time-out: TLS bytes reached an application that waits for the end of a request.
pub(crate) const TIMED_OUT: u8 = 28;

/// Asks until three answers in a row are the same, or two times nothing came, six times at most; prints `server port status exit stable|unstable header`.
const SCRIPT: &str = r#"
ask() {
  out=$(curl -s -m 2 -w '\n%{http_code}' "http://httpbin.$1:$2/headers")
  exit=$?
  code=$(printf '%s' "$out" | tail -n 1)
  xfcc=$(printf '%s' "$out" | grep -o '"X-Forwarded-Client-Cert": *"\([^"\]\|\\.\)*"')
  answer="$code $exit"
}
for server in $SERVERS; do for port in $PORTS; do
  last= same=0 tries=0 stable=unstable
  while [ "$tries" -lt 6 ]; do
    ask "$server" "$port"
    tries=$((tries + 1))
    if [ "$answer" = "$last" ]; then same=$((same + 1)); else same=0; fi
    last=$answer
    if [ "$same" -ge 2 ] || { [ "$same" -ge 1 ] && [ "$exit" = 28 ]; }; then stable=stable; break; fi
  done
  echo "$server $port $answer $stable $xfcc"
done; done
"#;

/// All cells, the clients side by side.
pub(crate) fn all() -> Result<BTreeMap<Cell, Shown>> {
    std::thread::scope(|scope| {
        let loops = NAMESPACES.map(|client| scope.spawn(move || of_client(client)));
        let mut cells = BTreeMap::new();
        for of_client in loops {
            cells.extend(of_client.join().ok().context("a loop panicked")??);
        }
        ensure!(
            cells.len() == NAMESPACES.len() * NAMESPACES.len() * PORTS.len(),
            "the loop printed {} cells",
            cells.len()
        );
        Ok(cells)
    })
}

fn of_client(client: &str) -> Result<Vec<(Cell, Shown)>> {
    let ports = PORTS.map(|port| port.to_string()).join(" ");
    let script = format!("SERVERS='{}' PORTS='{ports}'\n{SCRIPT}", NAMESPACES.join(" "));
    let text =
        printed(&["exec", "-n", client, "deploy/sleep", "-c", "sleep", "--", "timeout", "110", "sh", "-c", &script])?;
    text.lines().map(|line| cell(client, line).with_context(|| format!("sleep.{client} printed `{line}`"))).collect()
}

fn cell(client: &str, line: &str) -> Result<(Cell, Shown)> {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().context("it is too short");
    let (server, port) = (word()?.to_owned(), word()?.parse()?);
    let (code, exit, stable) = (word()?.to_owned(), word()?.parse()?, word()? == "stable");
    let xfcc = words.next().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok((Cell { client: client.to_owned(), server, port }, Shown { code, exit, xfcc, stable }))
}

// === impl Shown ===

impl Shown {
    /// The caller that the last element of the header names.
    pub(crate) fn peer(&self) -> Option<&str> {
        let last = self.xfcc.as_deref()?.rsplit(',').next()?;
        last.split([';', '"']).find_map(|part| part.strip_prefix("URI="))
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sleep.{} -> httpbin.{}:{}", self.client, self.server, self.port)
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} by {}", self.code, self.exit, self.peer().unwrap_or("nobody named"))
    }
}
