//! Recorded combinations of client, server, port and application, acted by the lab and held against the recording.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubectl_mtls::lab::authority::{Authority, Issued};
use kubectl_mtls::lab::dataplane::Dataplane;
use kubectl_mtls::lab::desired::access::{AccessRule, Listed, Source};
use kubectl_mtls::lab::desired::{Access, Application, Desired, PodId, ProxyConfig, TransportSocket};
use kubectl_mtls::lab::proxy::secrets::CertificateFault;
use kubectl_mtls::model::mesh::OutboundPolicy;
use kubectl_mtls::model::port::{PortClass, WorkloadPort};
use kubectl_mtls::model::tls::{ClientCertificate, MtlsMode, ServerValidation, UpstreamTls};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envoy::known;
use crate::lab_dataplane::caller::{Curl, Said};
use crate::lab_dataplane::recording::{Logs, Recorded};
use crate::lab_dataplane::tokens::Issuer;
use crate::lab_dataplane::world::{
    self, OTHER_PORT, PORT, SECOND, SERVER, SERVICE_PORT, VIP, accepting, client_identity, endpoint, identity,
    istio_mutual, mesh, originating, server_identity, simple,
};

/// Cases whose log of a server's proxy is not compared, and why.
const LOGS_DIFFER: [(&str, &str); 2] = [
    ("proto-auto.dr-mutual.strict", "Envoy pools the connection, so that its line is not written yet"),
    (
        "proto-http2.dr-disable.strict",
        "proxies speak HTTP/1.1 upstream, where the recorded line names an HTTP/2 preface",
    ),
];

/// A recorded combination, as far as it is compared.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    group: String,
    client_kind: String,
    server_mode: String,
    server_port_mode: Option<String>,
    port_protocol: String,
    app: String,
    cmd: String,
    outcomes: Vec<Outcome>,
    response_headers: Vec<(String, String)>,
    response_body: String,
    echoed_headers: Option<Map<String, Value>>,
    client_proxy: Option<Recorded>,
    server_proxy: Option<Recorded>,
    #[serde(skip, default = "Issuer::new")]
    issuer: Issuer,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    http_code: String,
    exit: i32,
}

/// Everything a case needs to run.
struct Stage {
    desired: Desired,
    to: SocketAddr,
    /// Files that a `DestinationRule` names; deleted with this.
    _files: Option<tempfile::TempDir>,
}

impl Case {
    /// All recorded cases.
    pub(crate) fn all() -> Vec<Self> {
        let recorded = include_str!("../vectors/envoy-cases-lab.jsonl");
        recorded.lines().map(|line| serde_json::from_str(line).expect("a case")).collect()
    }

    /// Runs the case, on this Envoy or on the lab's own proxies, and tells every difference.
    pub(crate) async fn differences(&self, envoy: Option<PathBuf>) -> Vec<String> {
        let on_envoy = envoy.is_some();
        let dataplane = Dataplane::start_with(envoy).await.expect("a data plane");
        let stage = self.stage(dataplane.authority());
        dataplane.apply(stage.desired.clone()).await.expect("applied");
        if let Some((pod, fault)) = self.fault() {
            dataplane.break_certificates(&pod, Some(fault)).await.expect("broken");
        }
        let certificate = dataplane.authority().issue_workload(&client_identity()).expect("a certificate");
        let curl = Curl::parse(&self.cmd).expect("a command line");
        let curl = self.as_it_was(curl);
        let mut differences = Vec::new();
        for _ in 0..self.requests() {
            let said = curl.run(&dataplane, &world::client(), stage.to, &certificate).await;
            differences.extend(self.compare_answer(&said, on_envoy));
        }
        for (name, pod, recorded) in [
            ("client", world::client(), self.client_proxy.as_ref()),
            ("server", world::server(), self.server_proxy.as_ref()),
        ] {
            if let Some(recorded) = recorded {
                let unlogged = name == "server" && LOGS_DIFFER.iter().any(|(id, _)| *id == self.id);
                let how = match (unlogged, self.id.starts_with("mixed")) {
                    (true, _) => Logs::Left,
                    (false, true) => Logs::Some,
                    (false, false) => Logs::All,
                };
                let found = recorded.differences(&dataplane, &pod, how).await;
                differences.extend(found.into_iter().map(|difference| format!("{name}: {difference}")));
            }
        }
        differences.dedup();
        differences
    }

    /// What a shortened command line leaves out: the token, and `-m 2`.
    fn as_it_was(&self, mut curl: Curl) -> Curl {
        if let ("jwt", Some(name)) = (self.group.as_str(), self.id.split('.').nth(2)) {
            let token = self.issuer.token(name).map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
            curl.headers = token.into_iter().collect();
        }
        if self.says("curltimeout") {
            curl.patience = Duration::from_secs(2);
        }
        // Three time-outs of ten seconds.
        if self.says("app-blackhole") {
            curl.patience = Duration::from_mins(1);
        }
        curl
    }

    /// The slow ones were recorded once.
    fn requests(&self) -> usize {
        if ["app-blackhole", "app-slow-curltimeout", "app-slow-vstimeout", "mute"].iter().any(|part| self.says(part)) {
            1
        } else {
            3
        }
    }

    /// What the name of a case of the groups `authz` and `jwt` says about callers.
    fn access(&self) -> Access {
        let mut access = Access::default();
        let named =
            |name: &str| AccessRule { name: format!("ns[foo]-policy[{name}]-rule[0]"), ..AccessRule::default() };
        let from = |source: Source, name: &str| AccessRule { from: vec![source], ..named(name) };
        let principal = |name: &str| Source {
            principals: Listed { any: vec![name.to_owned()], none: Vec::new() },
            ..Source::default()
        };
        let any_token = || Source {
            request_principals: Listed { any: vec!["*".to_owned()], none: Vec::new() },
            ..Source::default()
        };
        match (self.group.as_str(), self.id.split('.').nth(1).unwrap_or_default()) {
            ("authz", "allow-nothing") => access.allow = Some(Vec::new()),
            ("authz", "deny-all") => access.deny = vec![named("deny-all")],
            ("authz", "allow-curl-sa") => {
                access.allow = Some(vec![from(principal("cluster.local/ns/bar/sa/curl"), "allow-curl-sa")]);
            }
            ("authz", "allow-other") => {
                access.allow = Some(vec![from(principal("cluster.local/ns/bar/sa/other"), "allow-other")]);
            }
            ("jwt", kind) => {
                access.tokens = vec![self.issuer.rule()];
                access.token_required = kind == "raw-required";
                access.allow = (kind == "istio-required").then(|| vec![from(any_token(), "require-jwt")]);
            }
            (_, _) => {}
        }
        access
    }

    /// The last part of the name: what is wrong with a certificate.
    fn last(&self) -> &str {
        let last = self.id.trim_end_matches(".noretry").rsplit('.').next().unwrap_or_default();
        last.trim_start_matches("strict-cert-")
    }

    /// What the name of a case of the group `cert` says about certificates.
    fn fault(&self) -> Option<(PodId, CertificateFault)> {
        let (who, what) = self.last().split_once('-')?;
        let pod = match who {
            "client" => world::client(),
            "server" => world::server(),
            _ => return None,
        };
        let fault = match what {
            "expired" => CertificateFault::Expired,
            "notyet" => CertificateFault::NotYetValid,
            "otherca" => CertificateFault::OtherAuthority,
            "root-other" => CertificateFault::OtherRoot,
            "sds-missing" => CertificateFault::Missing,
            _ => return None,
        };
        Some((pod, fault))
    }

    fn stage(&self, authority: &Authority) -> Stage {
        let class = match self.port_protocol.as_str() {
            "http" | "http2" => PortClass::Http,
            "tcp" => PortClass::Tcp,
            "auto" => PortClass::Auto,
            other => panic!("{other}"),
        };
        let server = mode(&self.server_mode).map(|workload| {
            let port = self.server_port_mode.as_deref().and_then(mode).unwrap_or(workload);
            accepting(class, workload, port)
        });
        let files = tempfile::tempdir().expect("a directory");
        let mixed = self.id.starts_with("mixed");
        let mut client = self.client(class, mixed, authority, files.path());
        let mut server = server.filter(|_| !self.says("envoy-down"));
        for sidecar in client.iter_mut().chain(server.iter_mut()) {
            self.configure(sidecar);
        }
        if let Some(sidecar) = &mut server {
            sidecar.access = self.access();
        }
        let mut desired = mesh(client, server);
        self.fill(&mut desired, mixed);
        let other = self.cmd.contains(":8081/");
        let to = if other { SocketAddr::new(SERVER, OTHER_PORT) } else { SocketAddr::new(VIP, SERVICE_PORT) };
        Stage { desired, to, _files: Some(files) }
    }

    fn client(&self, class: PortClass, mixed: bool, authority: &Authority, files: &Path) -> Option<ProxyConfig> {
        let san = vec![server_identity().to_string()];
        let verified = |tls: UpstreamTls| UpstreamTls {
            validation: ServerValidation::File("/var/run/secrets/istio/root-cert.pem".to_owned()),
            subject_alt_names: san.clone(),
            ..tls
        };
        let with = |certificate| UpstreamTls { certificate, ..verified(simple(ServerValidation::Skip)) };
        let socket = match self.client_kind.as_str() {
            "none" => return None,
            "auto" | "auto-nolabel" => TransportSocket::Matches(istio_mutual()),
            "dr-disable" => TransportSocket::RawBuffer,
            "dr-istio-mutual" => TransportSocket::Tls(istio_mutual()),
            "dr-simple-insecure" => TransportSocket::Tls(simple(ServerValidation::Skip)),
            "dr-simple-system" => TransportSocket::Tls(simple(ServerValidation::System)),
            "dr-simple-ca" => {
                TransportSocket::Tls(simple(ServerValidation::File("/var/run/secrets/istio/root-cert.pem".to_owned())))
            }
            "dr-simple-ca-san" => TransportSocket::Tls(verified(simple(ServerValidation::Skip))),
            "dr-mutual" => TransportSocket::Tls(with(ClientCertificate::Files {
                certificate: "/etc/certs/cert-chain.pem".to_owned(),
                key: "/etc/certs/key.pem".to_owned(),
            })),
            "dr-mutual-otherca" => {
                let other = Authority::new("other.example").expect("another authority");
                let issued = other.issue_workload(&client_identity()).expect("a certificate");
                TransportSocket::Tls(with(write(&issued, files)))
            }
            "dr-mutual-dns" => {
                let issued = authority.issue_server(&["client.example.com"], &[]).expect("a certificate");
                TransportSocket::Tls(with(write(&issued, files)))
            }
            "passthrough-http" => return Some(self.knows_nothing(class)),
            other => panic!("{other}"),
        };
        let marked = self.client_kind == "auto";
        let mut endpoints = vec![endpoint(SERVER, marked)];
        if mixed {
            endpoints.push(endpoint(SECOND, false));
        }
        Some(originating(class, socket, endpoints))
    }

    /// Whether the name of the case has this as a part.
    fn says(&self, part: &str) -> bool {
        self.id.split('.').any(|said| said == part || said.ends_with(&format!("-{part}")))
    }

    /// Retries and bodies as the case has them.
    fn configure(&self, sidecar: &mut ProxyConfig) {
        sidecar.failure_in_body = self.id.starts_with("legacybody");
        if self.says("no-inbound-retry") {
            sidecar.inbound_retries = 0;
        }
        for port in &mut sidecar.outbound {
            if self.says("app-slow-vstimeout") {
                port.limits.answer = Some(Duration::from_secs(1));
            }
            if self.says("overflow") {
                port.limits.requests = 0;
            }
            if self.id.starts_with("tls-to-plain-app") {
                port.limits.connect = Duration::from_secs(1);
            }
        }
        if self.says("noretry") {
            for port in &mut sidecar.outbound {
                port.retries = 0;
            }
        }
    }

    /// A sidecar that has an HTTP listener on the port, for another service.
    fn knows_nothing(&self, class: PortClass) -> ProxyConfig {
        let mut config = originating(class, TransportSocket::RawBuffer, Vec::new());
        for port in &mut config.outbound {
            port.names = vec!["other.foo".to_owned()];
            port.addresses = Vec::new();
        }
        if self.id.starts_with("route.registry-only") {
            config.outbound_policy = OutboundPolicy::RegistryOnly;
        }
        config
    }

    /// The application of the case, and what its certificates are.
    fn fill(&self, desired: &mut Desired, mixed: bool) {
        let httpbin = desired.pods.get_mut(&world::server()).expect("the server");
        match self.app.as_str() {
            // HTTP/2 without TLS to the application is HTTP/1.1 in the lab; no answer shows it.
            "httpbin" | "h2c" => {}
            "tls" => {
                httpbin.application.insert(WorkloadPort(PORT), Application::TlsEcho);
            }
            // Closes a connection that does not begin with TLS.
            "crash" => {
                httpbin.application.insert(WorkloadPort(PORT), Application::TlsEcho);
            }
            "rst" => {
                httpbin.application.insert(WorkloadPort(PORT), Application::Reset);
            }
            "blackhole" => {
                httpbin.application.insert(WorkloadPort(PORT), Application::Full);
            }
            "mute" => {
                httpbin.application.insert(WorkloadPort(PORT), Application::Mute);
            }
            // Sends back the request: no HTTP response.
            "garbage" => {
                httpbin.application.insert(WorkloadPort(PORT), Application::TcpEcho);
            }
            "down" => {
                httpbin.application.clear();
            }
            other => panic!("{other}"),
        }
        // Nothing listens: the pod's proxy takes every connection, and is down.
        if self.says("envoy-down") {
            httpbin.application.clear();
        }
        match self.last() {
            "server-wrongsa" => httpbin.identity = identity("spiffe://cluster.local/ns/foo/sa/other"),
            "server-wrongtd" => httpbin.identity = identity("spiffe://old.domain/ns/foo/sa/httpbin"),
            "client-wrongtd" => {
                let curl = desired.pods.get_mut(&world::client()).expect("the client");
                curl.identity = identity("spiffe://old.domain/ns/bar/sa/curl");
            }
            _ => {}
        }
        if mixed {
            let mut plain = world::pod(SECOND, server_identity(), None);
            plain.application.insert(WorkloadPort(PORT), Application::Httpbin);
            desired.pods.insert(world::second(), plain);
        }
    }

    fn compare_answer(&self, said: &Said, on_envoy: bool) -> Vec<String> {
        let mut differences = Vec::new();
        let code = format!("{:03}", said.status);
        // The lab's own proxies close in the order of the recording.
        let same = |exit: i32| exit == said.exit || on_envoy && known::is_race(exit, said.exit);
        if !self.outcomes.iter().any(|outcome| outcome.http_code == code && same(outcome.exit)) {
            let recorded: Vec<_> = self.outcomes.iter().map(|o| (&o.http_code, o.exit)).collect();
            return vec![format!("answer: {code} exit {}, recorded {recorded:?}; {}", said.exit, said.body)];
        }
        if said.status == 0 || self.id.starts_with("mixed") {
            return differences;
        }
        let same_body = |one: &str, other: &str| {
            one == other || on_envoy && known::without_reset(one) == known::without_reset(other)
        };
        let header =
            |name: &str| self.response_headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        for name in ["server", "content-type", "location", "x-envoy-attempt-count"] {
            if said.header(name) != header(name) {
                differences.push(format!("header {name}: {:?}, recorded {:?}", said.header(name), header(name)));
            }
        }
        let names = |headers: &[(String, String)]| -> BTreeSet<String> {
            headers.iter().map(|(name, _)| name.clone()).filter(|name| !name.is_empty()).collect()
        };
        let (got, recorded) = (names(&said.headers), names(&self.response_headers));
        if got != recorded {
            differences.push(format!("headers {got:?}, recorded {recorded:?}"));
        }
        match &self.echoed_headers {
            None if !same_body(&said.body, &self.response_body) => {
                differences.push(format!("body {:?}, recorded {:?}", said.body, self.response_body));
            }
            None => {}
            Some(recorded) => differences.extend(compare_echoed(recorded, &said.echoed().unwrap_or_default())),
        }
        differences
    }
}

fn compare_echoed(recorded: &Map<String, Value>, got: &Map<String, Value>) -> Vec<String> {
    let shown = |headers: &Map<String, Value>| -> BTreeMap<String, String> {
        let text = |(name, value): (&String, &Value)| {
            let value = value.as_str().expect("text");
            let value = match name.as_str() {
                "X-Request-Id" => "<id>".to_owned(),
                "X-Forwarded-Client-Cert" => without_hash(value),
                _ => value.to_owned(),
            };
            (name.clone(), value)
        };
        headers.iter().map(text).collect()
    };
    let (got, recorded) = (shown(got), shown(recorded));
    if got == recorded { Vec::new() } else { vec![format!("echoed {got:?}, recorded {recorded:?}")] }
}

fn without_hash(xfcc: &str) -> String {
    let parts = xfcc.split(';').map(|part| if part.starts_with("Hash=") { "Hash=<hash>" } else { part });
    parts.collect::<Vec<_>>().join(";")
}

fn mode(text: &str) -> Option<MtlsMode> {
    match text {
        "DISABLE" => Some(MtlsMode::Disable),
        "PERMISSIVE" => Some(MtlsMode::Permissive),
        "STRICT" => Some(MtlsMode::Strict),
        "none" => None,
        other => panic!("{other}"),
    }
}

fn write(issued: &Issued, directory: &Path) -> ClientCertificate {
    use base64::Engine as _;
    let pem = |kind: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    };
    let (certificate, key) = (directory.join("client.crt"), directory.join("client.key"));
    std::fs::write(&certificate, pem("CERTIFICATE", &issued.chain()[0])).expect("written");
    std::fs::write(&key, pem("PRIVATE KEY", issued.key().secret_der())).expect("written");
    ClientCertificate::Files {
        certificate: certificate.to_str().expect("a path").to_owned(),
        key: key.to_str().expect("a path").to_owned(),
    }
}
