//! What exists so far while a mesh is made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::meshes::generate::random::Random;

/// The label by which endpoints are marked.
pub(crate) const TLS_MODE: &str = "security.istio.io/tlsMode";

/// Two objects in three are of the same age.
const TIMES: [&str; 4] =
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"];

/// A mesh in the making.
pub(crate) struct World {
    pub(crate) root: String,
    /// Namespaces with workloads.
    pub(crate) apps: Vec<String>,
    /// Every namespace.
    pub(crate) namespaces: Vec<String>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) services: Vec<Server>,
    /// Pods and Services.
    pub(crate) workloads: Vec<Value>,
    /// Istio's objects, shuffled at the end.
    pub(crate) config: Vec<Value>,
    taken: BTreeSet<(String, String, String)>,
}

#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) app: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) ports: Vec<(String, u16)>,
    pub(crate) address: String,
}

/// Something that clients call.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) ports: Vec<(String, u16)>,
    /// Not a ServiceEntry.
    pub(crate) kubernetes: bool,
}

// === impl World ===

impl World {
    pub(crate) fn new(random: &Random) -> Self {
        let root = if random.percent(6) { "mesh-root" } else { "istio-system" }.to_owned();
        let count = random.pick(&[1, 2, 2, 3]);
        let apps: Vec<String> = random.sample(&["alpha", "beta", "gamma"].map(str::to_owned), count);
        let mut namespaces = apps.clone();
        namespaces.push(root.clone());
        if root != "istio-system" {
            namespaces.push("istio-system".to_owned());
        }
        Self {
            root,
            apps,
            namespaces,
            pods: Vec::new(),
            services: Vec::new(),
            workloads: Vec::new(),
            config: Vec::new(),
            taken: BTreeSet::new(),
        }
    }

    /// A name that no object of the kind has in the namespace.
    pub(crate) fn name(&mut self, random: &Random, kind: &str, namespace: &str, pool: &[&str]) -> String {
        let names = random.sample(pool, pool.len()).into_iter().map(str::to_owned);
        let mut names = names.chain((0..).map(|number| format!("x{number}")));
        let key = |name: &String| (kind.to_owned(), namespace.to_owned(), name.clone());
        let name = names.find(|name| !self.taken.contains(&key(name))).unwrap_or_default();
        self.taken.insert(key(&name));
        name
    }

    /// Adds an object of Istio's.
    pub(crate) fn configure(
        &mut self,
        random: &Random,
        (group, kind): (&str, &str),
        (namespace, pool): (&str, &[&str]),
        spec: &Value,
    ) {
        let name = self.name(random, kind, namespace, pool);
        let mut meta = json!({"name": name, "namespace": namespace});
        let time = random.pick(&TIMES);
        if !random.percent(7) {
            meta["creationTimestamp"] = json!(time);
        }
        let api = format!("{group}.istio.io/v1");
        self.config.push(json!({"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}));
    }

    /// `exportTo`, most often absent.
    pub(crate) fn export(&self, random: &Random) -> Option<Value> {
        let one = random.pick(&self.namespaces);
        let two = random.sample(&self.namespaces, 2);
        let absent = Value::Null;
        let all = [
            absent.clone(),
            absent.clone(),
            absent.clone(),
            absent,
            json!(["*"]),
            json!(["."]),
            json!([one]),
            json!(two),
        ];
        Some(random.pick(&all)).filter(|export| !export.is_null())
    }

    /// Objects of a kind, made so far.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.config.iter().filter(|object| object["kind"] == kind).collect()
    }
}

// === impl Pod ===

impl Pod {
    /// Its labels, without the mark.
    pub(crate) fn own_labels(&self) -> Vec<(String, String)> {
        let own = self.labels.iter().filter(|(key, _)| *key != TLS_MODE);
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Its first declared port, or one that nobody declares.
    pub(crate) fn first_port(&self) -> u16 {
        self.ports.first().map_or(8080, |(_, port)| *port)
    }
}

/// An age of a Service.
pub(crate) fn time(random: &Random) -> &'static str {
    random.pick(&TIMES)
}

/// A selector from labels.
pub(crate) fn labels<K: AsRef<str>, V: AsRef<str>>(of: impl IntoIterator<Item = (K, V)>) -> Value {
    let fields = of.into_iter().map(|(key, value)| (key.as_ref().to_owned(), json!(value.as_ref())));
    Value::Object(fields.collect::<Map<String, Value>>())
}
