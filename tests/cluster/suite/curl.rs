//! The seeds' own loop: curl in every test client towards every Service port, and what it printed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::kubectl::printed;
use crate::place::Place;
use crate::scenario::row::{Name, PairName};

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

/// curl's own time-out, which nothing here takes: a proxy that gets no connection gives up before (`world/istio.yaml`).
pub(crate) const TIMED_OUT: u8 = 28;

/// Asks every cell, all at a time, until three answers in a row are the same, six times at most. Two are enough that took a second: they
/// did not come over a connection that was there before. Prints `name.namespace:port status exit stable|unstable header`, a line a cell.
const SCRIPT: &str = r#"
newline='
'
ask() {
  out=$(curl -s -m 8 -w '\n%{http_code} %{time_total}' "http://$1/headers")
  exit=$?
  told=${out##*"$newline"}
  answer="${told% *} $exit"
  case ${told#* } in 0.*) needed=2 ;; *) needed=1 ;; esac
}
cell() {
  last= same=0 tries=0 stable=unstable
  while [ "$tries" -lt 6 ]; do
    ask "$1"
    tries=$((tries + 1))
    if [ "$answer" = "$last" ]; then same=$((same + 1)); else same=0; fi
    last=$answer
    if [ "$same" -ge "$needed" ]; then stable=stable; break; fi
  done
  xfcc=
  case $out in *X-Forwarded-Client-Cert*) xfcc=$(printf '%s' "$out" | grep -o '"X-Forwarded-Client-Cert": *"\([^"\]\|\\.\)*"') ;; esac
  echo "$1 $answer $stable $xfcc"
}
for target in $TARGETS; do cell "$target" & done
wait
"#;

/// All that can be asked in a place, the clients side by side.
pub(crate) fn all(place: &Place) -> Result<BTreeMap<PairName, Shown>> {
    std::thread::scope(|scope| {
        let loops = place.clients.iter().map(|client| scope.spawn(|| of_client(client, place))).collect::<Vec<_>>();
        let mut cells = BTreeMap::new();
        for of_client in loops {
            cells.extend(of_client.join().ok().context("a loop panicked")??);
        }
        ensure!(cells.len() == place.clients.len() * place.targets.len(), "the loop printed {} cells", cells.len());
        Ok(cells)
    })
}

fn of_client(client: &Name, place: &Place) -> Result<Vec<(PairName, Shown)>> {
    let targets = place.targets.iter().map(|(server, port)| format!("{server}:{port}")).collect::<Vec<_>>().join(" ");
    let script = format!("TARGETS='{targets}'\n{SCRIPT}");
    let deployment = format!("deploy/{}", client.name);
    let within = ["timeout", "110", "sh", "-c", &script];
    let exec = ["exec", "-n", &client.namespace, &deployment, "-c", &client.name, "--"];
    let text = printed(&[exec.as_slice(), &within].concat())?;
    text.lines().map(|line| cell(client, line).with_context(|| format!("{client} printed `{line}`"))).collect()
}

fn cell(client: &Name, line: &str) -> Result<(PairName, Shown)> {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next().context("it is too short");
    let pair = PairName::parse_arrow(&format!("{client} -> {}", word()?))?;
    let (code, exit, stable) = (word()?.to_owned(), word()?.parse()?, word()? == "stable");
    let xfcc = words.next().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok((pair, Shown { code, exit, xfcc, stable }))
}

// === impl Shown ===

impl Shown {
    /// The caller that the last element of the header names.
    pub(crate) fn peer(&self) -> Option<&str> {
        let last = self.xfcc.as_deref()?.rsplit(',').next()?;
        last.split([';', '"']).find_map(|part| part.strip_prefix("URI="))
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} by {}", self.code, self.exit, self.peer().unwrap_or("nobody named"))
    }
}
