//! The real kubectl against the lab's API, where there is one.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kubectl_mtls::lab::kube_api::ApiServer;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{exec, start};

/// Standard output, standard error and exit code of a kubectl that knows nothing but this lab.
async fn kubectl(home: &Path, arguments: &str, stdin: &str) -> (String, String, i32) {
    let mut command = Command::new("kubectl");
    command.args(arguments.split(' ')).env("KUBECONFIG", home.join("config")).env("HOME", home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = timeout(Duration::from_secs(30), spawn_blocking(run)).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

async fn home() -> (ApiServer, tempfile::TempDir) {
    let server = start(exec::Script::default()).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config"), server.kubeconfig()).unwrap();
    (server, home)
}

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: { containers: [{ name: app, image: x }] }\n";

#[tokio::test]
#[ignore = "needs kubectl 1.30 or later on PATH"]
async fn kubectl_creates_applies_gets_execs_and_deletes() {
    let (_server, home) = home().await;
    for (arguments, stdin, stdout, code) in [
        ("create namespace foo", "", "namespace/foo created\n", 0),
        ("apply -n foo -f -", POD, "pod/web created\n", 0),
        ("apply -n foo -f -", POD, "pod/web unchanged\n", 0),
        ("get pods -n foo -o jsonpath={.items..metadata.name}", "", "web", 0),
        ("exec -n foo web -c app -- where", "", "foo/web app", 0),
        ("exec -n foo -i web -- cat", "typed", "typed", 0),
        ("exec -n foo web -- fail 56", "", "", 56),
        ("auth can-i list secrets", "", "no\n", 1),
        ("delete -n foo pod web", "", "pod \"web\" deleted\n", 0),
    ] {
        let (seen, stderr, exit) = kubectl(home.path(), arguments, stdin).await;
        assert_eq!((seen.as_str(), exit), (stdout, code), "{arguments}: {stderr}");
    }
}

#[tokio::test]
#[ignore = "needs kubectl 1.30 or later on PATH"]
async fn kubectl_prints_refusals_as_those_of_a_cluster() {
    let (_server, home) = home().await;
    let policy = |spec: &str| {
        let head = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: x }";
        format!("{head}\nspec: {spec}\n")
    };
    for (spec, start) in [
        (
            "{ selector: { mtls: { mode: STRICT } } }",
            "Error from server (BadRequest): error when creating \"STDIN\": PeerAuthentication in version \"v1\" cannot be handled \
             as a PeerAuthentication: strict decoding error: unknown field \"spec.selector.mtls\"",
        ),
        (
            "{ mtls: { mode: strict } }",
            "The PeerAuthentication \"x\" is invalid: \n* spec.mtls.mode: Unsupported value: \"strict\": supported values: \
             \"UNSET\", \"DISABLE\", \"PERMISSIVE\", \"STRICT\"",
        ),
    ] {
        let (_, stderr, exit) = kubectl(home.path(), "apply -f -", &policy(spec)).await;
        assert!(stderr.starts_with(start) && exit == 1, "{stderr}");
    }
}
