//! Services and EndpointSlices.

use std::net::IpAddr;

use serde_json::Value;

use crate::decode::metadata::meta;
use crate::decode::protocol;
use crate::decode::value::{at, flag, items, labels, port, text};
use crate::model::meta::Origin;
use crate::model::port::{ServicePort, WorkloadPort};
use crate::model::service::{EndpointSlice, Service, ServiceAddress, ServicePortSpec, SliceEndpoint, TargetPort};

/// Reads a Service.
pub(super) fn service(object: &Value, origin: Option<&Origin>) -> Service {
    Service {
        meta: meta(object, origin),
        address: address(object),
        ports: items(object, &["spec", "ports"]).iter().filter_map(service_port).collect(),
        // An empty selector is no selector: Kubernetes makes no endpoints for it.
        selector: Some(labels(object, &["spec", "selector"])).filter(|selector| !selector.is_empty()),
        publish_not_ready: flag(object, &["spec", "publishNotReadyAddresses"]),
    }
}

fn address(object: &Value) -> ServiceAddress {
    if text(object, &["spec", "type"]) == Some("ExternalName") {
        return ServiceAddress::ExternalName(text(object, &["spec", "externalName"]).unwrap_or_default().to_owned());
    }
    let many = items(object, &["spec", "clusterIPs"]).iter().filter_map(Value::as_str);
    let mut written: Vec<&str> = many.chain(text(object, &["spec", "clusterIP"])).collect();
    written.dedup();
    if written.contains(&"None") {
        return ServiceAddress::Headless;
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in written.iter().filter_map(|address| address.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    ServiceAddress::ClusterIp(addresses)
}

fn service_port(spec: &Value) -> Option<ServicePortSpec> {
    let number = at(spec, &["port"]).and_then(port)?;
    let name = text(spec, &["name"]).unwrap_or_default();
    let transport = text(spec, &["protocol"]).unwrap_or("TCP");
    Some(ServicePortSpec {
        name: name.to_owned(),
        port: ServicePort(number),
        target: target(at(spec, &["targetPort"]), number),
        protocol: protocol::of_service_port(number, name, text(spec, &["appProtocol"]), transport),
    })
}

/// A missing `targetPort` is the port itself: manifests from files have had no defaulting.
fn target(written: Option<&Value>, number: u16) -> TargetPort {
    match written {
        Some(value) => match (port(value), value.as_str()) {
            (Some(port), _) => TargetPort::Number(WorkloadPort(port)),
            (None, Some(name)) if !name.is_empty() && name != "0" => TargetPort::Name(name.to_owned()),
            (None, _) => TargetPort::Number(WorkloadPort(number)),
        },
        None => TargetPort::Number(WorkloadPort(number)),
    }
}

/// Reads a `discovery.k8s.io` EndpointSlice; `None` where it belongs to no Service.
pub(super) fn endpoint_slice(object: &Value, origin: Option<&Origin>) -> Option<EndpointSlice> {
    let meta = meta(object, origin);
    let service = meta.label("kubernetes.io/service-name")?.to_owned();
    let tcp = |port: &&Value| text(port, &["protocol"]).is_none_or(|protocol| protocol == "TCP");
    let ports = items(object, &["ports"]).iter().filter(tcp).filter_map(|spec| {
        let number = at(spec, &["port"]).and_then(port)?;
        Some((text(spec, &["name"]).unwrap_or_default().to_owned(), WorkloadPort(number)))
    });
    let ports = ports.collect();
    let endpoints =
        items(object, &["endpoints"]).iter().map(|endpoint| slice_endpoint(endpoint, &meta.namespace)).collect();
    Some(EndpointSlice { meta, service, ports, endpoints })
}

fn slice_endpoint(endpoint: &Value, namespace: &str) -> SliceEndpoint {
    let pod = || {
        let target = at(endpoint, &["targetRef"])?;
        let name = text(target, &["name"]).filter(|_| text(target, &["kind"]) == Some("Pod"))?;
        Some((text(target, &["namespace"]).unwrap_or(namespace).to_owned(), name.to_owned()))
    };
    SliceEndpoint {
        addresses: items(endpoint, &["addresses"])
            .iter()
            .filter_map(|address| address.as_str()?.parse().ok())
            .collect(),
        ready: at(endpoint, &["conditions", "ready"]).and_then(Value::as_bool).unwrap_or(true),
        pod: pod(),
    }
}
