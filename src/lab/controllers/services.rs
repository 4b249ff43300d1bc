//! Services: defaults and virtual addresses.

use serde_json::{Value, json};

use crate::lab::controllers::addresses::{self, Range};
use crate::lab::store::{Key, Transaction, object};

/// Kubernetes: `pkg/apis/core/v1/defaults.go:SetDefaults_Service`, `pkg/registry/core/service/storage/alloc.go`.
pub(super) fn complete(transaction: &mut Transaction<'_>, service: &mut Value) {
    object::set_default(service, &["spec", "type"], "ClusterIP");
    object::set_default(service, &["spec", "sessionAffinity"], "None");
    let node_ports = matches!(object::text(service, "/spec/type"), "NodePort" | "LoadBalancer");
    object::change(service, &["spec", "ports"], |ports| {
        for port in ports.as_array_mut().into_iter().flatten() {
            complete_port(transaction, port, node_ports);
        }
    });
    if object::text(service, "/spec/type") == "ExternalName" {
        return;
    }
    object::set_default(service, &["spec", "internalTrafficPolicy"], "Cluster");
    object::set_default(service, &["spec", "ipFamilies"], json!(["IPv4"]));
    object::set_default(service, &["spec", "ipFamilyPolicy"], "SingleStack");
    object::set_default(service, &["status", "loadBalancer"], json!({}));
    let address = address(transaction, service);
    object::set(service, &["spec", "clusterIP"], address.as_str());
    object::set_default(service, &["spec", "clusterIPs"], json!([address]));
}

/// The one it has, the one it asks for, or a new one. It never changes.
fn address(transaction: &mut Transaction<'_>, service: &Value) -> String {
    let before = Key::of(service).and_then(|key| transaction.get(&key));
    let held = before.as_deref().map(|before| object::text(before, "/spec/clusterIP")).unwrap_or_default();
    let asked = object::text(service, "/spec/clusterIP");
    match (held, asked) {
        ("", "") => addresses::next(transaction, Range::Services),
        ("", asked) => {
            if asked != "None" {
                addresses::claim(transaction, asked);
            }
            asked.to_owned()
        }
        (held, "") => held.to_owned(),
        (_, asked) => asked.to_owned(),
    }
}

fn complete_port(transaction: &mut Transaction<'_>, port: &mut Value, node_port: bool) {
    object::set_default(port, &["protocol"], "TCP");
    if let Some(number) = port.get("port").cloned() {
        object::set_default(port, &["targetPort"], number);
    }
    if node_port && port.get("nodePort").is_none() {
        // 30000 to 32767; the lab listens on none of them.
        object::set(port, &["nodePort"], 30_000 + transaction.serial("node ports") % 2_768);
    }
}
