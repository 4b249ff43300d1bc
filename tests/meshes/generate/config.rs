//! The mesh configuration, where it differs from the defaults.

use serde_json::{Map, Value, json};

use crate::meshes::generate::places::World;
use crate::meshes::generate::random::Random;
use crate::meshes::yaml;

pub(super) fn mesh(world: &World, random: &Random) -> Option<Value> {
    let mut mesh = Map::new();
    let mut set = |field: &str, value: Value| mesh.insert(field.to_owned(), value);
    if world.root != "istio-system" {
        set("rootNamespace", json!(world.root));
    }
    if random.percent(12) {
        set("enableAutoMtls", json!(false));
    }
    if random.percent(7) {
        set("outboundTrafficPolicy", json!({"mode": "REGISTRY_ONLY"}));
    }
    for field in ["defaultDestinationRuleExportTo", "defaultServiceExportTo", "defaultVirtualServiceExportTo"] {
        if random.percent(4) {
            set(field, json!(["."]));
        }
    }
    if random.percent(5) {
        set("trustDomain", json!("mesh.example"));
        if random.percent(50) {
            set("trustDomainAliases", json!(["old.example"]));
        }
    }
    if mesh.is_empty() {
        return None;
    }
    let text = yaml::documents(&[Value::Object(mesh)]);
    let meta = json!({"name": "istio", "namespace": "istio-system"});
    Some(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": text}}))
}
