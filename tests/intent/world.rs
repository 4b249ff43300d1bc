//! A mesh built from the inputs of a vector: pods, Services, policies, mesh configuration.

use kubectl_mtls::decode::{Assume, Loaded, snapshot};
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::snapshot::Snapshot;
use serde_json::{Value, json};

/// Objects that become a mesh.
#[derive(Default)]
pub(crate) struct World {
    objects: Vec<Value>,
    config: serde_json::Map<String, Value>,
}

impl World {
    /// A mesh with the root namespace and the settings that a vector names.
    pub(crate) fn of(input: &Value) -> Self {
        let mut world = Self::default();
        if let Some(root) = input["rootNamespace"].as_str() {
            world.config.insert("rootNamespace".to_owned(), json!(root));
        }
        for field in ["enableAutoMtls", "defaultDestinationRuleExportTo"] {
            if !input[field].is_null() {
                world.config.insert(field.to_owned(), input[field].clone());
            }
        }
        for list in ["policies", "peerAuthentications", "destinationRules"] {
            world.objects.extend(input[list].as_array().into_iter().flatten().cloned());
        }
        world
    }

    /// Adds any object.
    pub(crate) fn add(&mut self, object: Value) -> &mut Self {
        self.objects.push(object);
        self
    }

    /// Sets a field of `MeshConfig`.
    pub(crate) fn config(&mut self, field: &str, value: Value) -> &mut Self {
        self.config.insert(field.to_owned(), value);
        self
    }

    /// Adds a pod; `tls_mode` is the label that injection sets.
    pub(crate) fn pod(&mut self, pod: &Pod<'_>) -> &mut Self {
        let mut labels = pod.labels.as_object().cloned().unwrap_or_default();
        if let Some(mode) = pod.tls_mode {
            labels.insert("security.istio.io/tlsMode".to_owned(), json!(mode));
        }
        let mut containers = vec![json!({"name": "app", "image": "app"})];
        if pod.sidecar {
            containers.push(json!({"name": "istio-proxy", "image": "proxyv2"}));
        }
        self.add(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "labels": labels},
            "spec": {"serviceAccountName": pod.name, "containers": containers},
            "status": {"podIP": pod.address, "podIPs": [{"ip": pod.address}], "phase": "Running"},
        }))
    }

    /// Adds a Service.
    pub(crate) fn service(&mut self, namespace: &str, name: &str, selector: &Value, ports: &Value) -> &mut Self {
        self.add(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "selector": selector, "ports": ports},
        }))
    }

    /// The mesh, as a version of Istio reads it.
    pub(crate) fn read(&self, version: IstioVersion) -> Snapshot {
        let objects: Vec<Loaded> =
            self.objects.iter().map(|object| Loaded { object: object.clone(), origin: None }).collect();
        let assume = Assume {
            istio_version: Some(version),
            mesh_config: Some(Value::Object(self.config.clone())),
            ..Assume::default()
        };
        snapshot(&objects, &assume).0
    }
}

/// A pod of a vector.
pub(crate) struct Pod<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) labels: &'a Value,
    pub(crate) tls_mode: Option<&'a str>,
    pub(crate) sidecar: bool,
    pub(crate) address: &'a str,
}
