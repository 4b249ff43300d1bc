//! A mesh of any size, as manifests in block style: Services with two ports, pods with status, policies that contradict each
//! other here and there. The same numbers give the same mesh.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mesh {
    pub(crate) services: usize,
    pub(crate) pods: usize,
}

/// Every fifth namespace has no sidecars.
const WITHOUT: usize = 5;

impl Mesh {
    pub(crate) fn write(self, file: &Path) {
        let mut out = BufWriter::new(File::create(file).expect("the mesh can be written"));
        self.objects(&mut out).and_then(|()| out.flush()).expect("the mesh is written");
    }

    fn objects(self, out: &mut impl Write) -> Result<()> {
        let namespaces = self.namespaces();
        for number in 0..namespaces {
            let labels = if number.is_multiple_of(WITHOUT) { " {}" } else { "\n    istio-injection: enabled" };
            write!(out, "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-{number}\n  labels:{labels}\n")?;
        }
        (0..self.services).try_for_each(|number| self.service(number, out))?;
        (0..self.pods).try_for_each(|number| self.pod(number, out))?;
        policy(out, "istio-system", "default", "  mtls:\n    mode: PERMISSIVE\n")?;
        for number in (0..namespaces).step_by(3) {
            policy(out, &format!("team-{number}"), "default", "  mtls:\n    mode: STRICT\n")?;
        }
        let modes = ["STRICT", "DISABLE", "PERMISSIVE"];
        for (mode, number) in modes.iter().cycle().zip((0..self.services).step_by(10)) {
            let ports = "  portLevelMtls:\n    '9090':\n      mode: DISABLE\n";
            let selector = format!("  selector:\n    matchLabels:\n      app: svc-{number}\n");
            let body = format!("{selector}  mtls:\n    mode: {mode}\n{ports}");
            policy(out, &self.namespace(number), &format!("svc-{number}"), &body)?;
        }
        let modes = ["ISTIO_MUTUAL", "DISABLE", "SIMPLE"];
        for (mode, number) in modes.iter().cycle().zip((0..self.services).step_by(8)) {
            self.rule(number, mode, out)?;
        }
        Ok(())
    }

    fn namespaces(self) -> usize {
        (self.services / 20).max(1)
    }

    fn namespace(self, service: usize) -> String {
        format!("team-{}", service % self.namespaces())
    }

    fn service(self, number: usize, out: &mut impl Write) -> Result<()> {
        let (namespace, third, fourth) = (self.namespace(number), number / 250 % 250, number % 250 + 1);
        write!(
            out,
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: svc-{number}\n  namespace: {namespace}\nspec:\n  \
             clusterIP: 10.96.{third}.{fourth}\n  selector:\n    app: svc-{number}\n  ports:\n  - name: http\n    port: 80\n    \
             targetPort: 8080\n    protocol: TCP\n  - name: tcp-m\n    port: 9090\n    targetPort: 9090\n    protocol: TCP\n"
        )
    }

    fn pod(self, number: usize, out: &mut impl Write) -> Result<()> {
        let (service, copy) = (number % self.services, number / self.services);
        let namespace = self.namespace(service);
        let sidecar = !(service % self.namespaces()).is_multiple_of(WITHOUT);
        let (labels, proxy) = if sidecar {
            (
                format!("    security.istio.io/tlsMode: istio\n    service.istio.io/canonical-name: svc-{service}\n"),
                "  - name: istio-proxy\n    image: docker.io/istio/proxyv2:1.31.0\n",
            )
        } else {
            (String::new(), "")
        };
        let address = format!("10.{}.{}.{}", 10 + number / 65_536, number / 256 % 256, number % 256);
        write!(
            out,
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: svc-{service}-{copy}\n  namespace: {namespace}\n  labels:\n    \
             app: svc-{service}\n    version: v{version}\n{labels}  annotations: {{}}\nspec:\n  serviceAccountName: \
             svc-{service}\n  containers:\n  - name: app\n    image: x\n    ports:\n    - containerPort: 8080\n    - \
             containerPort: 9090\n{proxy}status:\n  phase: Running\n  podIP: {address}\n  conditions:\n  - type: Ready\n    \
             status: 'True'\n",
            version = copy + 1
        )
    }

    fn rule(self, number: usize, mode: &str, out: &mut impl Write) -> Result<()> {
        let namespace = self.namespace(number);
        write!(
            out,
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: svc-{number}\n  namespace: \
             {namespace}\nspec:\n  host: svc-{number}.{namespace}.svc.cluster.local\n  trafficPolicy:\n    tls:\n      mode: \
             {mode}\n    portLevelSettings:\n    - port:\n        number: 9090\n      tls:\n        mode: DISABLE\n"
        )
    }
}

fn policy(out: &mut impl Write, namespace: &str, name: &str, spec: &str) -> Result<()> {
    write!(
        out,
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\n  name: {name}\n  namespace: \
         {namespace}\nspec:\n{spec}"
    )
}
