//! Services, their ports and the addresses behind them.

use kubectl_mtls::model::port::{Protocol, ServicePort, WorkloadPort};
use kubectl_mtls::model::service::{Resolution, Service, ServiceAddress, TargetPort};

use super::mesh;

fn service(spec: &str) -> Service {
    mesh(&format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {spec}\n")).services.remove(0)
}

#[test]
fn a_service_is_virtual_headless_or_a_name() {
    let address = |spec: &str| service(spec).address;
    let ips = |list: &[&str]| ServiceAddress::ClusterIp(list.iter().map(|ip| ip.parse().unwrap()).collect());
    assert_eq!(address("{clusterIP: 10.96.0.1}"), ips(&["10.96.0.1"]));
    assert_eq!(address("{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1']}"), ips(&["10.96.0.1", "fd00::1"]));
    // Never applied: the address is not there yet.
    assert_eq!(address("{selector: {app: a}}"), ips(&[]));
    assert_eq!(address("{clusterIP: None}"), ServiceAddress::Headless);
    assert_eq!(address("{clusterIP: None, clusterIPs: [None]}"), ServiceAddress::Headless);
    let name = ServiceAddress::ExternalName("example.com".to_owned());
    assert_eq!(address("{type: ExternalName, externalName: example.com}"), name);
}

#[test]
fn a_target_port_is_a_number_a_name_or_the_port_itself() {
    let target = |port: &str| service(&format!("{{ports: [{port}]}}")).ports.remove(0).target;
    assert_eq!(target("{port: 80}"), TargetPort::Number(WorkloadPort(80)));
    assert_eq!(target("{port: 80, targetPort: 0}"), TargetPort::Number(WorkloadPort(80)));
    assert_eq!(target("{port: 80, targetPort: 8080}"), TargetPort::Number(WorkloadPort(8080)));
    assert_eq!(target("{port: 80, targetPort: '8080'}"), TargetPort::Number(WorkloadPort(8080)));
    assert_eq!(target("{port: 80, targetPort: http}"), TargetPort::Name("http".to_owned()));
}

#[test]
fn a_port_speaks_what_its_application_protocol_or_name_says() {
    let ports = service("{ports: [{port: 80, name: http-web}, {port: 81, name: http, appProtocol: tcp}, {port: 82}, {port: 53, name: dns, protocol: UDP}, {port: 9000, name: x, protocol: SCTP}]}").ports;
    let spoken: Vec<_> = ports.iter().map(|port| (port.port, port.protocol)).collect();
    let expected =
        [(80, Protocol::Http), (81, Protocol::Tcp), (82, Protocol::Auto), (53, Protocol::Udp), (9000, Protocol::Udp)];
    assert_eq!(spoken, expected.map(|(number, protocol)| (ServicePort(number), protocol)));
    assert_eq!((ports[0].name.as_str(), ports[2].name.as_str()), ("http-web", ""));
}

#[test]
fn an_empty_selector_is_none() {
    assert_eq!(service("{selector: {}}").selector, None);
    assert_eq!(service("{}").selector, None);
    let selecting = service("{selector: {app: a}, publishNotReadyAddresses: true}");
    assert_eq!((selecting.selector.unwrap()["app"].as_str(), selecting.publish_not_ready), ("a", true));
}

#[test]
fn the_annotation_that_hides_a_service_is_kept() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {networking.istio.io/exportTo: ., x/y: z}}\nspec: {}\n";
    let meta = mesh(text).services.remove(0).meta;
    assert_eq!(meta.annotation("networking.istio.io/exportTo"), Some("."));
    assert_eq!(meta.annotations.len(), 1);
}

#[test]
fn endpoint_slices_know_their_service_ports_and_pods() {
    let text = "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-x, namespace: foo, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}, {name: dns, port: 53, protocol: UDP}, {port: 9090}]
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-1, namespace: foo}}
- {addresses: [10.0.0.2], conditions: {ready: false}, targetRef: {kind: Pod, name: web-2}}
- {addresses: [10.0.0.3]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: orphan}
endpoints: []
";
    let slices = mesh(text).endpoint_slices;
    assert_eq!(slices.len(), 1);
    let slice = &slices[0];
    assert_eq!(slice.service, "web");
    assert_eq!(slice.ports, [("http".to_owned(), WorkloadPort(8080)), (String::new(), WorkloadPort(9090))]);
    let pod = |name: &str| Some(("foo".to_owned(), name.to_owned()));
    let endpoints: Vec<_> = slice.endpoints.iter().map(|endpoint| (endpoint.ready, endpoint.pod.clone())).collect();
    assert_eq!(endpoints, [(true, pod("web-1")), (false, pod("web-2")), (true, None)]);
}

#[test]
fn service_entries_and_workload_entries() {
    let text = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm, namespace: foo}
spec:
  hosts: [vm.example.com]
  addresses: [10.1.0.0/16]
  ports: [{number: 443, name: https, protocol: HTTPS}, {number: 80, name: web, targetPort: 8080, protocol: http}, {number: 81, name: raw}]
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints: [{address: 10.1.0.1, ports: {web: 9090}, labels: {a: b}, serviceAccount: vm}]
  exportTo: [.]
  subjectAltNames: [spiffe://x]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: foo}
spec: {hosts: [example.com], workloadSelector: {labels: {a: b}}}
---
apiVersion: networking.istio.io/v1alpha3
kind: WorkloadEntry
metadata: {name: vm-1, namespace: foo}
spec: {address: 10.1.0.2, ports: {web: 7070}, labels: {a: b}, serviceAccount: vm, network: net}
";
    let snapshot = mesh(text);
    let entry = &snapshot.service_entries[0];
    assert_eq!((entry.mesh_internal, entry.resolution), (true, Resolution::Static));
    let ports: Vec<_> = entry.ports.iter().map(|port| (port.port.0, port.target, port.protocol)).collect();
    let expected =
        [(443, None, Protocol::Https), (80, Some(WorkloadPort(8080)), Protocol::Http), (81, None, Protocol::Auto)];
    assert_eq!(ports, expected);
    assert_eq!(
        (entry.endpoints[0].ports["web"], entry.endpoints[0].service_account.as_deref()),
        (WorkloadPort(9090), Some("vm"))
    );
    assert_eq!((entry.export_to.as_slice(), entry.subject_alt_names.len()), ([".".to_owned()].as_slice(), 1));
    let other = &snapshot.service_entries[1];
    assert_eq!((other.mesh_internal, other.resolution), (false, Resolution::None));
    assert_eq!(other.workload_selector.as_ref().unwrap()["a"], "b");
    let machine = &snapshot.workload_entries[0].endpoint;
    assert_eq!(
        (machine.address.as_str(), machine.ports["web"], machine.network.as_deref()),
        ("10.1.0.2", WorkloadPort(7070), Some("net"))
    );
}
