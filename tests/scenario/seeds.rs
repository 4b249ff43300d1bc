//! `tests/vectors/seed-tables.yaml`: what five tutorials printed.

use std::path::Path;

use anyhow::{Context as _, Result};
use kubectl_mtls::model::mesh::IstioVersion;
use serde::Deserialize;

use crate::scenario::file::with_namespace;
use crate::scenario::row::{Curl, Name, Peer};

/// The whole file.
#[derive(Debug, Deserialize)]
pub(crate) struct Seeds {
    pub(crate) entries: Vec<Entry>,
}

/// A table, a request, a quoted fragment.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    istio: String,
    #[serde(default)]
    policies: String,
    #[serde(rename = "defaultNamespace")]
    default_namespace: Option<String>,
    #[serde(default)]
    rows: Vec<SeedRow>,
    modern: Modern,
}

/// One line of a table.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SeedRow {
    client: String,
    server: String,
    /// The status as printed, where it was.
    code: Option<String>,
    /// The exit code, where it was said.
    exit: Option<u8>,
    /// `absent`, `present`, `not-asked` or the caller's SPIFFE ID.
    xfcc: String,
    /// Who answered, where it is shown.
    by: Option<String>,
}

/// What Istio answers today.
#[derive(Debug, Deserialize)]
struct Modern {
    #[serde(default)]
    rows: Vec<SeedRow>,
}

// === impl Seeds ===

impl Seeds {
    /// Reads the file.
    pub(crate) fn read() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/seed-tables.yaml");
        serde_saphyr::from_str(&std::fs::read_to_string(path)?).context("tests/vectors/seed-tables.yaml")
    }

    /// An entry by its id.
    pub(crate) fn entry(&self, id: &str) -> Result<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.id == id)
            .with_context(|| format!("seed-tables.yaml has no entry `{id}`"))
    }
}

// === impl Entry ===

impl Entry {
    /// The version whose rules the seed saw; the newest where it does not say.
    pub(crate) fn version(&self) -> IstioVersion {
        let stated = self.istio.trim_start_matches("about ");
        stated.parse().unwrap_or(IstioVersion::NEWEST)
    }

    /// The policies in force, every object with its namespace.
    pub(crate) fn policies(&self) -> Result<String> {
        with_namespace(&self.policies, self.default_namespace.as_deref())
    }

    /// What the seed printed.
    pub(crate) fn printed(&self) -> Vec<SeedRow> {
        self.rows.clone()
    }

    /// The same rows as Istio answers today. The server's identity is known from the print alone, so it is not repeated.
    pub(crate) fn modern(&self) -> Vec<SeedRow> {
        let today = |row: &SeedRow| {
            let mut changed = self.modern.rows.iter();
            let changed = changed.find(|changed| changed.client == row.client && changed.server == row.server);
            SeedRow { by: None, ..changed.unwrap_or(row).clone() }
        };
        self.rows.iter().map(today).collect()
    }
}

// === impl SeedRow ===

impl SeedRow {
    /// The caller and the Service; the port is the only one that the Service has.
    pub(crate) fn ends(&self) -> Result<(Name, Name)> {
        Ok((Name::parse(&self.client)?, Name::parse(&self.server)?))
    }

    /// What is not as printed; what the seed does not say is not compared. `by` are the identities that may have answered.
    pub(crate) fn differences(&self, curl: Option<&Curl>, peer: &Peer, by: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(code) = &self.code
            && curl.is_none_or(|curl| curl.http != [code.as_str()])
        {
            found.push(format!("code {code} is printed"));
        }
        if let Some(exit) = self.exit
            && curl.is_none_or(|curl| curl.exit != [exit])
        {
            found.push(format!("exit {exit} is printed"));
        }
        let same_peer = match (self.xfcc.as_str(), peer) {
            ("not-asked", _) | ("absent", Peer::Absent | Peer::NoAnswer) | ("present", Peer::Uri(_)) => true,
            (uri, Peer::Uri(expected)) => uri == expected,
            (_, Peer::Absent | Peer::NoAnswer | Peer::NotAsked) => false,
        };
        if !same_peer {
            found.push(format!("xfcc {} is printed", self.xfcc));
        }
        if let Some(printed) = self.by.as_ref().filter(|printed| !by.contains(printed)) {
            found.push(format!("By={printed} is printed"));
        }
        found
    }
}
