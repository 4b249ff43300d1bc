//! The command line as people meet it: exit status, standard output and standard error, always together.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that cannot be set up is a failed test")]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod bad_input;
mod files;
mod mesh_config;
mod not_judged;
pub(crate) mod summary;
mod terminal;

/// One run of the binary, told as a sentence.
#[must_use]
struct Run {
    directory: TempDir,
    args: Vec<String>,
    stdin: String,
    bound: Duration,
}

/// What a run came to.
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

/// No ordinary command takes longer; one that does hangs.
const BOUND: Duration = Duration::from_mins(1);

fn mtls(args: &[&str]) -> Run {
    Run {
        directory: TempDir::new().unwrap(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        stdin: String::new(),
        bound: BOUND,
    }
}

impl Run {
    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// For large input in an unoptimised build on a busy machine.
    fn patiently(self) -> Self {
        Self { bound: Duration::from_mins(5), ..self }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    #[track_caller]
    fn end(self) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
            .args(&self.args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its standard input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read_out = std::thread::spawn(move || read(&mut out));
        let read_err = std::thread::spawn(move || read(&mut err));
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > self.bound {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{:?} still ran after {:?}", self.args, self.bound);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Ended {
            status: status.code().unwrap_or(-1),
            stdout: read_out.join().unwrap(),
            stderr: read_err.join().unwrap(),
        }
    }
}

fn read(stream: &mut impl std::io::Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

impl Ended {
    #[track_caller]
    fn status(self, expected: i32) -> Self {
        assert_eq!(self.status, expected, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn stderr(self, pieces: &[&str]) -> Self {
        for piece in pieces {
            assert!(self.stderr.contains(piece), "`{piece}` is not in standard error:\n{}", self.stderr);
        }
        self
    }

    #[track_caller]
    fn stdout(self, pieces: &[&str]) -> Self {
        for piece in pieces {
            assert!(self.stdout.contains(piece), "`{piece}` is not in standard output:\n{}", self.stdout);
        }
        self
    }

    #[track_caller]
    fn no_stdout(self) -> Self {
        assert_eq!(self.stdout, "");
        self
    }
}

const STRICT: &str = "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: foo}
spec:
  mtls: {mode: STRICT}
";

const CONFLICT: &str = "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: httpbin, namespace: bar}
spec:
  selector: {matchLabels: {app: httpbin}}
  mtls: {mode: STRICT}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: httpbin, namespace: bar}
spec:
  host: httpbin.bar.svc.cluster.local
  trafficPolicy: {tls: {mode: DISABLE}}
";

#[test]
fn the_default_mesh_is_clean() {
    mtls(&["check", "--standalone"])
        .end()
        .status(0)
        .stderr(&["context lab: Istio 1.31, 3 clients, 3 service ports, requests by 3 execs, 4 proxies asked"])
        .stdout(&["CLIENT", "sleep.foo", "httpbin.bar:8000", "9 pairs: 4 mTLS, 5 plaintext"]);
}

#[test]
fn a_conflict_is_found_with_the_same_status_in_every_format() {
    for (format, shown) in [
        ("table", "MTLS101"),
        ("wide", "no-filter-chain"),
        ("json", "\"conflict\": true"),
        ("yaml", "conflict: true"),
        ("name", "foo/sleep->bar/httpbin:8000"),
        ("jsonpath={.summary.conflicts}", "2"),
    ] {
        mtls(&["check", "--standalone", "-f", "policies.yaml", "-o", format])
            .file("policies.yaml", CONFLICT)
            .end()
            .status(1)
            .stdout(&[shown]);
    }
}

#[test]
fn policies_may_come_on_standard_input() {
    mtls(&["check", "--standalone", "-f", "-"]).stdin(CONFLICT).end().status(1).stdout(&[
        "dr/httpbin.bar",
        "pa/httpbin.bar",
        "2 by conflict",
    ]);
}

#[test]
fn a_policy_that_istio_never_reads_is_a_warning_that_says_why() {
    let text = "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: everywhere, namespace: istio-system}
spec:
  selector: {matchLabels: {app: httpbin}}
  mtls: {mode: STRICT}
";
    mtls(&["check", "--standalone", "-f", "pa.yaml"])
        .file("pa.yaml", text)
        .end()
        .status(0)
        .stdout(&["MTLS201 warning  pa/everywhere.istio-system is ignored: ", "root namespace"]);
}

#[test]
fn fail_on_moves_the_bar() {
    let strict = |level: &str| {
        mtls(&["check", "--standalone", "-f", "pa.yaml", "--fail-on", level]).file("pa.yaml", STRICT).end()
    };
    strict("error").status(0).stdout(&["MTLS104", "sleep.legacy"]);
    strict("info").status(1);
    strict("never").status(0);
}

#[test]
fn nonsense_on_the_command_line_is_two() {
    mtls(&["check", "--no-such-flag"]).end().status(2).no_stdout().stderr(&["--no-such-flag"]);
    mtls(&["check", "-o", "xml"]).end().status(2).no_stdout().stderr(&["xml"]);
    mtls(&["check", "--standalone", "--istio-version", "1.8"])
        .end()
        .status(2)
        .no_stdout()
        .stderr(&["1.8", "1.9 to 1.31"]);
    mtls(&["check", "--standalone", "--istio-version", "new"]).end().status(2).no_stdout().stderr(&["`new`", "1.9.2"]);
    mtls(&["check", "--standalone", "--context", "prod"]).end().status(2).no_stdout().stderr(&["--standalone"]);
    mtls(&["check", "httpbin:0", "--standalone"]).end().status(2).no_stdout().stderr(&["1 to 65535"]);
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_named() {
    mtls(&["check", "--kubeconfig", "missing"]).end().status(3).no_stdout().stderr(&["`missing`", "--standalone"]);
    mtls(&["check", "--kubeconfig", "broken"])
        .file("broken", "clusters: {")
        .end()
        .status(3)
        .no_stdout()
        .stderr(&["cannot use the kubeconfig `broken`"]);
}

#[test]
fn a_refused_connection_is_said_at_once() {
    let config = "apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: secret-token}}]
";
    let ended = mtls(&["check", "--kubeconfig", "config"]).file("config", config).end();
    assert!(!ended.stderr.contains("secret-token"), "{}", ended.stderr);
    ended.status(3).no_stdout().stderr(&["Connection refused", "hint:"]);
}

#[test]
fn a_file_that_is_not_there_is_three_and_the_rest_is_answered() {
    mtls(&["check", "--standalone", "-f", "missing.yaml", "-f", "pa.yaml"])
        .file("pa.yaml", STRICT)
        .end()
        .status(3)
        .stderr(&["cannot read `missing.yaml`: No such file"])
        .stdout(&["9 pairs", "pa/default.foo"]);
}

#[test]
fn yaml_that_does_not_parse_is_shown_with_its_place() {
    mtls(&["check", "--standalone", "-f", "bad.yaml", "-f", "pa.yaml"])
        .file("bad.yaml", "kind: PeerAuthentication\nspec:\n  mtls: {mode: STRICT\n")
        .file("pa.yaml", STRICT)
        .end()
        .status(3)
        .stderr(&["bad.yaml:", "error"])
        .stdout(&["9 pairs", "pa/default.foo"]);
}

#[test]
fn a_field_at_the_wrong_place_is_a_warning_with_the_right_one() {
    let text = "apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: overwrite-example, namespace: foo}
spec:
  selector:
    matchLabels: {app: httpbin}
    mtls:
      mode: DISABLE
";
    mtls(&["check", "--standalone", "-f", "pa.yaml"]).file("pa.yaml", text).end().status(0).stderr(&[
        "pa.yaml:7",
        "warning",
        "spec.selector.mtls",
        "spec.mtls",
    ]);
}

#[test]
fn a_mode_that_does_not_exist_is_refused_and_the_rest_is_answered() {
    let text = CONFLICT.replace("DISABLE", "ISTIO-MUTUAL");
    mtls(&["check", "--standalone", "-f", "dr.yaml"])
        .file("dr.yaml", &text)
        .end()
        .status(3)
        .stderr(&["dr.yaml:13", "ISTIO-MUTUAL", "ISTIO_MUTUAL"])
        .stdout(&["9 pairs", "pa/httpbin.bar"]);
}

#[test]
fn of_two_objects_of_one_name_the_last_wins_and_that_is_said() {
    let text = format!("{STRICT}---\n{}", STRICT.replace("STRICT", "PERMISSIVE"));
    mtls(&["check", "--standalone", "-f", "pa.yaml"])
        .file("pa.yaml", &text)
        .end()
        .status(0)
        .stderr(&["pa.yaml:", "foo/default"])
        .stdout(&["9 pairs: 4 mTLS, 5 plaintext"]);
}

#[test]
fn a_name_that_nothing_has_gets_a_suggestion() {
    mtls(&["check", "htpbin.bar", "--standalone"])
        .end()
        .status(3)
        .stderr(&["no service port is named `htpbin.bar`", "did you mean `httpbin.bar:8000`?"]);
    mtls(&["check", "--standalone", "--from", "slep.foo"]).end().status(3).stderr(&["no client is named `slep.foo`"]);
}

#[test]
fn a_service_that_nobody_serves_has_rows_that_say_so() {
    let service = "apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: foo}
spec:
  selector: {app: nobody}
  ports: [{name: http, port: 80}]
";
    mtls(&["check", "nobody.foo", "--standalone", "-f", "svc.yaml"])
        .file("svc.yaml", service)
        .end()
        .status(0)
        .stdout(&["none", "3 pairs: 3 none"]);
}

#[test]
fn an_empty_mesh_is_an_answer() {
    mtls(&["check", "-f", "empty.yaml"])
        .file("empty.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: foo}\n")
        .end()
        .status(0)
        .no_stdout()
        .stderr(&["No resources found"]);
}

#[test]
fn a_pod_without_curl_and_wget_is_told_apart_from_a_refusal() {
    let deployment = "apiVersion: apps/v1
kind: Deployment
metadata: {name: sleep, namespace: foo}
spec:
  replicas: 1
  selector: {matchLabels: {app: sleep}}
  template:
    metadata: {labels: {app: sleep}}
    spec:
      serviceAccountName: sleep
      containers: [{name: sleep, image: pause}]
";
    mtls(&["check", "--standalone", "-f", "sleep.yaml", "-o", "json"])
        .file("sleep.yaml", deployment)
        .end()
        .status(4)
        .stderr(&["foo/sleep-", "the container has neither curl nor wget: "])
        .stdout(&["\"unseen\": \"no-curl\"", "\"observed\": {\n        \"wire\": \"mutual-tls\""]);
}

#[test]
fn manifests_alone_are_judged_without_a_request() {
    let mesh = format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: foo, labels: {{istio-injection: enabled}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: sleep, namespace: foo, labels: {{app: sleep}}}}
spec: {{containers: [{{name: sleep, image: curlimages/curl}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: httpbin, namespace: foo, labels: {{app: httpbin}}}}
spec: {{containers: [{{name: httpbin, image: kennethreitz/httpbin}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: httpbin, namespace: foo}}
spec: {{selector: {{app: httpbin}}, ports: [{{name: http, port: 8000, targetPort: 80}}]}}
---
{STRICT}"
    );
    mtls(&[
        "check",
        "-f",
        "mesh.yaml",
        "--from",
        "sleep.foo",
        "-o",
        "jsonpath={.pairs[0].verdict} {.pairs[0].decidedBy.name} {.pairs[0].observed.unseen}",
    ])
    .file("mesh.yaml", &mesh)
    .end()
    .status(0)
    .stdout(&["mutual-tls default not-requested"]);
}

#[test]
fn explain_names_every_layer_and_what_has_to_change() {
    mtls(&["explain", "httpbin.bar:8000", "--from", "sleep.foo", "--standalone", "-f", "policies.yaml"])
        .file("policies.yaml", CONFLICT)
        .end()
        .status(0)
        .stdout(&[
            "sleep.foo -> httpbin.bar:8000 (http, container port 80): CONFLICT, 503 UC. TLS policy; the application is never reached.",
            "dr/httpbin.bar",
            "spec.trafficPolicy.tls.mode: DISABLE",
            "pa/httpbin.bar",
            "spec.mtls.mode: STRICT",
            "policies.yaml:1",
            "no-filter-chain",
            "To change:",
        ]);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(["check", "--standalone", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
}

#[test]
fn a_name_that_nothing_has_is_answered_with_what_there_is() {
    for (name, error, hint) in [
        ("httpbin.bar:80", "no service port is named `httpbin.bar:80`: it has port 8000", "`httpbin.bar:8000`"),
        ("httpbin.baz", "there is no namespace `baz`; did you mean `bar`?", "`httpbin.bar:8000` or `httpbin.foo:8000`"),
        ("httbin.bar", "no service port is named `httbin.bar`", "`httpbin.bar:8000`"),
    ] {
        mtls(&["explain", name, "--standalone", "--no-probe"]).end().status(3).no_stdout().stderr(&[error, hint]);
    }
    for (name, error, hint) in [
        ("slep.foo", "no client is named `slep.foo`", "`sleep.foo`"),
        ("sleep.fo", "there is no namespace `fo`; did you mean `foo`?", "`sleep.bar` or `sleep.foo` or `sleep.legacy`"),
    ] {
        mtls(&["explain", "httpbin.bar", "--from", name, "--standalone", "--no-probe"])
            .end()
            .status(3)
            .no_stdout()
            .stderr(&[error, hint]);
    }
}

#[test]
fn the_code_of_a_finding_is_never_taken_for_a_service() {
    mtls(&["explain", "MTLS101"]).end().status(0).stdout(&["MTLS101", "client-and-server-contradict", "error"]);
    mtls(&["explain", "mtls999"]).end().status(2).stderr(&["`mtls999` is no finding", "MTLS101"]);
}

#[test]
fn an_explanation_for_programs_carries_what_the_text_says() {
    let template = "{.pairs[0].ruledOut[*].what} {.alsoBroken[0].server} {.alsoBroken[0].conflicts} \
                    {.findings[0].fixes[0].simulated.worse} {.findings[0].fixes[0].weaker} {.findings[0].fixes[0].patch}";
    mtls(&[
        "explain",
        "httpbin.bar",
        "--from",
        "sleep.foo",
        "--standalone",
        "-f",
        "policies.yaml",
        "-o",
        &format!("jsonpath={template}"),
    ])
    .file("policies.yaml", CONFLICT)
    .end()
    .status(0)
    .stdout(&[
        "application AuthorizationPolicy certificates bar/httpbin:8000",
        "sleep.bar",
        " 0 false ",
        r#""op":"remove""#,
    ]);
}
