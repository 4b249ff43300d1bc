//! Endpoints of clusters of type `EDS`, with the marks that automatic mutual TLS reads.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::lab::desired::ClusterEndpoint;
use crate::lab::envoy_config::Sidecar;

/// A load assignment for each cluster that asks for one.
pub(super) fn all(sidecar: &Sidecar<'_>) -> Vec<Value> {
    let mut written = BTreeSet::new();
    let clusters = sidecar.config.outbound.iter().map(|port| &port.cluster);
    let asking = clusters.filter(|cluster| !cluster.original_dst && written.insert(cluster.name.as_str()));
    asking.map(|cluster| assignment(sidecar, &cluster.name, &cluster.endpoints)).collect()
}

/// Istio: `pilot/pkg/xds/endpoints/endpoint_builder.go`.
fn assignment(sidecar: &Sidecar<'_>, cluster: &str, endpoints: &[ClusterEndpoint]) -> Value {
    let mut assignment = Map::new();
    let kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    assignment.insert("@type".to_owned(), json!(kind));
    assignment.insert("cluster_name".to_owned(), json!(cluster));
    if !endpoints.is_empty() {
        let endpoints: Vec<Value> = endpoints.iter().map(|endpoint| lb_endpoint(sidecar, endpoint)).collect();
        let locality = json!({ "locality": {}, "lb_endpoints": endpoints, "load_balancing_weight": endpoints.len() });
        assignment.insert("endpoints".to_owned(), json!([locality]));
    }
    Value::Object(assignment)
}

fn lb_endpoint(sidecar: &Sidecar<'_>, endpoint: &ClusterEndpoint) -> Value {
    let address = endpoint.address;
    let mut metadata = Map::new();
    if endpoint.marked {
        metadata.insert("envoy.transport_socket_match".to_owned(), json!({ "tlsMode": "istio" }));
    }
    let pod = sidecar.desired.pods.iter().find(|(_, pod)| pod.address == address.ip());
    if let Some((id, pod)) = pod {
        let workload = format!("{0};{1};{0};;Kubernetes", pod.workload, id.namespace);
        metadata.insert("istio".to_owned(), json!({ "workload": workload }));
    }
    let mut written = Map::new();
    let socket = json!({ "address": address.ip(), "port_value": address.port() });
    written.insert("endpoint".to_owned(), json!({ "address": { "socket_address": socket } }));
    if !metadata.is_empty() {
        written.insert("metadata".to_owned(), json!({ "filter_metadata": metadata }));
    }
    written.insert("load_balancing_weight".to_owned(), json!(1));
    Value::Object(written)
}
