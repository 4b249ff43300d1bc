//! A scenario file, read strictly: a key that is not known, a pair that does not exist or a difference that is none is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use kubectl_mtls::model::mesh::IstioVersion;
use serde::Deserialize;

use crate::scenario::row::{PairName, Peer, Row};
use crate::scenario::world::World;

/// A mesh, the policies in it, and what follows for each pair.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The file's name without `.yaml`.
    pub(crate) id: String,
    /// What it shows, one line.
    pub(crate) name: String,
    /// Ids of `tests/vectors/seed-tables.yaml` that it acts.
    pub(crate) seed: Vec<String>,
    /// Workloads and Services.
    pub(crate) world: World,
    /// Istio's policies, every object with its namespace.
    pub(crate) policies: String,
    /// What is said about manifests that the API would not take as they stand.
    pub(crate) refused: Vec<Refused>,
    /// What holds for the newest Istio, and for every other version that `before` does not name.
    rows: Vec<Row>,
    /// Rows that older versions answer differently, by the first version that answers as the newest does.
    before: BTreeMap<IstioVersion, Vec<Row>>,
    /// Where the seed printed something else than what is expected here.
    pub(crate) printed: Vec<Printed>,
    /// Why the policies are not those of the seed's entry.
    pub(crate) rebuilt: Option<String>,
    /// Why the lab does not act it.
    pub(crate) not_in_lab: Option<String>,
}

/// Something the API refuses or drops, and the tool must tell about.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    /// Line within `policies`, from 1.
    pub(crate) line: u64,
    /// The field, as `spec.trafficPolicy.tls.mode`.
    pub(crate) field: String,
    /// A piece of the message.
    pub(crate) says: String,
}

/// A row of a seed that is not expected here.
#[derive(Debug)]
pub(crate) struct Printed {
    /// The pair.
    pub(crate) pair: PairName,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    source: String,
    #[serde(default)]
    seed: Vec<String>,
    #[serde(default)]
    world: String,
    #[serde(default)]
    workloads: Vec<String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    policies: String,
    #[serde(default)]
    refused: Vec<Refused>,
    expect: String,
    #[serde(default)]
    before: BTreeMap<String, WrittenDifference>,
    #[serde(default)]
    printed: Vec<WrittenPrinted>,
    #[serde(default)]
    rebuilt: Option<String>,
    #[serde(default)]
    not_in_lab: Option<String>,
}

/// Rows that differ before a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDifference {
    because: String,
    source: String,
    expect: String,
}

/// A row that the seed printed otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrinted {
    row: String,
    says: String,
    note: String,
}

/// What is wrong with a file, shown as it is where a test unwraps it.
pub(crate) struct Wrong(String);

/// Every file of `tests/scenarios`, in byte order, or what is wrong with the first that is.
pub(crate) fn all() -> Result<Vec<Scenario>, Wrong> {
    let read = || -> Result<Vec<Scenario>> {
        let mut files = std::fs::read_dir(folder())?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        files.iter().map(|path| Scenario::read(path)).collect()
    };
    read().map_err(|error| Wrong(format!("{error:#}")))
}

/// `tests/scenarios`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

// === impl Wrong ===

impl std::fmt::Debug for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Scenario ===

impl Scenario {
    /// Reads a file.
    fn read(path: &Path) -> Result<Self> {
        let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(path)?;
        Self::parse(&id, &text).with_context(|| format!("tests/scenarios/{id}.yaml"))
    }

    /// Reads the text of a file; `id` is the file's name without extension.
    pub(crate) fn parse(id: &str, text: &str) -> Result<Self> {
        let written: Written = serde_saphyr::from_str(text).map_err(|error| anyhow!("{error}"))?;
        ensure!(!written.name.is_empty(), "`name` is empty: say in one line what the file shows");
        ensure!(!written.source.is_empty(), "`source` is empty: say where the facts come from");
        let world = World::parse(&written.world, &written.workloads, &written.services)?;
        let policies = with_namespace(&written.policies, written.namespace.as_deref())?;
        ensure!(
            written.refused.is_empty() || policies == written.policies,
            "`refused` counts lines: write metadata.namespace into `policies` instead of using `namespace`"
        );
        let rows = rows(&written.expect, text, &world).context("expect")?;
        ensure!(!rows.is_empty(), "`expect` is empty");
        let mut before = BTreeMap::new();
        for (version, difference) in &written.before {
            let key = format!("before \"{version}\"");
            ensure!(
                !difference.because.is_empty() && !difference.source.is_empty(),
                "{key}: say `because` and `source`"
            );
            let parsed: IstioVersion = version.parse().with_context(|| key.clone())?;
            ensure!(
                parsed > IstioVersion::OLDEST && parsed <= IstioVersion::NEWEST,
                "{key}: the versions known are {} to {}",
                IstioVersion::OLDEST,
                IstioVersion::NEWEST
            );
            let older = self::rows(&difference.expect, text, &world).with_context(|| key.clone())?;
            ensure!(!older.is_empty(), "{key}: `expect` is empty");
            before.insert(parsed, older);
        }
        let printed =
            written.printed.iter().map(WrittenPrinted::read).collect::<Result<Vec<_>>>().context("printed")?;
        let scenario = Self {
            id: id.to_owned(),
            name: written.name,
            seed: written.seed,
            world,
            policies,
            refused: written.refused,
            rows,
            before,
            printed,
            rebuilt: written.rebuilt,
            not_in_lab: written.not_in_lab,
        };
        scenario.check()?;
        Ok(scenario)
    }

    /// The expectations at a version, in the file's order.
    pub(crate) fn rows_at(&self, version: IstioVersion) -> Vec<&Row> {
        let older = |pair: &PairName| {
            let mut ranges = self.before.iter().filter(|(first, _)| version < **first);
            ranges.find_map(|(_, rows)| rows.iter().find(|row| row.pair == *pair))
        };
        self.rows.iter().map(|row| older(&row.pair).unwrap_or(row)).collect()
    }

    /// The expectation for a pair at a version.
    pub(crate) fn row_at(&self, version: IstioVersion, pair: &PairName) -> Option<&Row> {
        self.rows_at(version).into_iter().find(|row| row.pair == *pair)
    }

    /// Whether some version answers otherwise than the newest.
    pub(crate) fn has_history(&self) -> bool {
        !self.before.is_empty()
    }

    /// What can only be checked on the whole file.
    fn check(&self) -> Result<()> {
        for (version, rows) in &self.before {
            for row in rows {
                let newest = self.rows.iter().find(|newest| newest.pair == row.pair);
                let newest =
                    newest.with_context(|| format!("before \"{version}\": `{}` is not in `expect`", row.pair))?;
                let same = Row { line: row.line, ..newest.clone() } == *row;
                ensure!(!same, "before \"{version}\": line {} says the same as line {}", row.line, newest.line);
            }
        }
        for printed in &self.printed {
            let known = self.rows.iter().any(|row| row.pair == printed.pair);
            ensure!(known, "printed: `{}` is not in `expect`", printed.pair);
        }
        Ok(())
    }
}

// === impl WrittenPrinted ===

impl WrittenPrinted {
    fn read(&self) -> Result<Printed> {
        ensure!(
            !self.says.is_empty() && !self.note.is_empty(),
            "`{}`: say what was printed, and why it is not expected",
            self.row
        );
        Ok(Printed { pair: PairName::parse_arrow(&self.row)? })
    }
}

/// The rows of a table, each pair once, both ends known; `whole` is the file, to count lines in.
fn rows(table: &str, whole: &str, world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for text in table.lines() {
        let text = text.split(" # ").next().unwrap_or_default().trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let line = whole.lines().position(|line| line.trim().starts_with(text)).map_or(0, |index| index + 1);
        let row = Row::parse(text, line).with_context(|| format!("line {line}"))?;
        ensure!(world.has_client(&row.pair.client), "line {line}: no workload `{}`", row.pair.client);
        ensure!(
            world.has_service_port(&row.pair.server, row.pair.port),
            "line {line}: no Service port `{}:{}`",
            row.pair.server,
            row.pair.port
        );
        ensure!(
            row.peer == Peer::NotAsked || world.is_httpbin(&row.pair.server),
            "line {line}: only an httpbin is asked who called; write `peer: not-asked`"
        );
        ensure!(seen.insert(row.pair.clone()), "line {line}: `{}` is there twice", row.pair);
        rows.push(row);
    }
    Ok(rows)
}

/// Gives every object its namespace, as `kubectl apply -n` would.
pub(crate) fn with_namespace(policies: &str, namespace: Option<&str>) -> Result<String> {
    let mut out = Vec::new();
    let lines = policies.lines().collect::<Vec<_>>();
    for (index, line) in lines.iter().enumerate() {
        out.push((*line).to_owned());
        if line.trim_end() != "metadata:" {
            continue;
        }
        let inside = lines.get(index + 1..).unwrap_or_default();
        let mut inside = inside.iter().take_while(|line| line.starts_with(' '));
        if inside.clone().any(|line| line.trim_start().starts_with("namespace:")) {
            continue;
        }
        let namespace = namespace.with_context(|| {
            format!("policies, line {}: no metadata.namespace; give it there or as `namespace`", index + 1)
        })?;
        let indent = inside.next().map_or(2, |line| line.len() - line.trim_start().len());
        out.push(format!("{}namespace: {namespace}", " ".repeat(indent)));
    }
    if policies.ends_with('\n') {
        out.push(String::new());
    }
    Ok(out.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{Scenario, with_namespace};
    use crate::scenario::row::PairName;

    const SMALL: &str = "name: n\nsource: s\nworld: foo\nexpect: |\n  sleep.foo -> httpbin.foo:8000 mTLS 200 client: auto mTLS server: PERMISSIVE by default peer: ns/foo/sa/sleep\n";

    #[test]
    fn mistakes_are_refused_with_file_key_and_line() {
        let older =
            |row: &str| format!("before:\n  '1.12':\n    because: b\n    source: s\n    expect: |\n      {row}\n");
        let row = "sleep.foo -> httpbin.foo:8000 mTLS 200 client: auto mTLS server: PERMISSIVE by default peer: ns/foo/sa/sleep";
        for (more, says) in [
            ("expects: x\n".to_owned(), "expects"),
            ("seeds: [a]\n".to_owned(), "seeds"),
            ("name: again\n".to_owned(), "name"),
            ("policies: |\n  kind: PeerAuthentication\n  metadata:\n    name: x\n".to_owned(), "no metadata.namespace"),
            (
                "printed:\n- {row: sleep.foo -> httpbin.bar:8000, says: '503', note: n}\n".to_owned(),
                "printed: `sleep.foo",
            ),
            (older(row), "says the same as line 5"),
            (older(&row.replace("8000", "9000")), "no Service port `httpbin.foo:9000`"),
            (older(&row.replace("sleep.foo ->", "sleep.bar ->")), "no workload `sleep.bar`"),
            (older(row).replace("1.12", "1.44"), "the versions known are"),
            (older(row).replace("because: b", "because: ''"), "say `because`"),
        ] {
            let error = Scenario::parse("small", &format!("{SMALL}{more}")).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(says), "`{more}`\n  says `{error}`, not `{says}`");
        }
        Scenario::parse("small", SMALL).unwrap();
    }

    #[test]
    fn the_range_that_ends_first_decides_a_row_at_an_old_version() {
        let row = |code: &str| {
            format!(
                "sleep.foo -> httpbin.foo:8000 mTLS {code} client: auto mTLS server: PERMISSIVE by default peer: not-asked"
            )
        };
        let range = |version: &str, code: &str| {
            format!("  '{version}':\n    because: b\n    source: s\n    expect: |\n      {}\n", row(code))
        };
        let text = format!("{SMALL}before:\n{}{}", range("1.19", "202"), range("1.12", "201"));
        let scenario = Scenario::parse("small", &text).unwrap();
        let pair = PairName::parse_arrow("sleep.foo -> httpbin.foo:8000").unwrap();
        for (version, code) in
            [("1.9", "201"), ("1.11", "201"), ("1.12", "202"), ("1.18", "202"), ("1.19", "200"), ("1.31", "200")]
        {
            let row = scenario.row_at(version.parse().unwrap(), &pair).unwrap();
            assert_eq!(row.curl.as_ref().unwrap().http, [code], "at {version}");
        }
    }

    #[test]
    fn an_object_without_namespace_gets_the_one_of_the_file() {
        let policies = "metadata:\n  name: a\nspec: {}\n---\nmetadata:\n    namespace: b\n    name: c\n";
        let given = with_namespace(policies, Some("part")).unwrap();
        assert_eq!(
            given,
            "metadata:\n  namespace: part\n  name: a\nspec: {}\n---\nmetadata:\n    namespace: b\n    name: c\n"
        );
    }
}
