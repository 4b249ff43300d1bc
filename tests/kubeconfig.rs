//! The kubeconfig in all its forms.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubectl_mtls::lab::mesh::Lab;
use kubectl_mtls::model::mesh::IstioVersion;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::ended::Ended;

/// The reference mesh, and a folder for what tells where it is.
struct World {
    lab: Lab,
    home: TempDir,
}

impl World {
    async fn start() -> Self {
        let lab = Lab::start(IstioVersion::NEWEST).await.unwrap();
        lab.settled(Duration::from_mins(1)).await.unwrap();
        Self { lab, home: TempDir::new().unwrap() }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The kubeconfig with other credentials than its token, and the token.
    fn with(&self, user: &str) -> (String, String) {
        let whole = self.lab.kubeconfig();
        let (rest, token) = whole.split_once("    token: ").unwrap();
        (format!("{rest}    {}\n", user.trim().replace('\n', "\n    ")), token.trim().to_owned())
    }

    /// A plugin that does what the script says and counts its runs in `runs`.
    fn plugin(&self, script: &str) -> PathBuf {
        let runs = self.home.path().join("runs");
        let path = self.file("plugin", &format!("#!/bin/sh\necho run >> {}\n{script}\n", runs.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.home.path().join("runs")).unwrap_or_default().lines().count()
    }

    /// Nine pairs by policy, proxies and curl, from what `KUBECONFIG` lists.
    async fn check(&self, list: &[&Path]) -> Ended {
        let mut command =
            mtls(&["check", "httpbin.foo", "httpbin.bar", "httpbin.legacy", "--from", "app=sleep", "-o", "name"]);
        command.env("KUBECONFIG", std::env::join_paths(list).unwrap());
        tokio::task::spawn_blocking(move || Ended::of(&mut command)).await.unwrap()
    }
}

fn mtls(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    command.args(args).env_remove("KUBECONFIG").env_remove("HTTPS_PROXY").env_remove("https_proxy");
    command
}

fn is_whole(ended: &Ended) {
    assert_eq!((ended.status, ended.stdout.lines().count()), (0, 9), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("requests by 3 execs, 4 proxies asked"), "{}", ended.stderr);
}

/// A plugin may ask a person, and be paid by the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_plugin_is_run_once() {
    let world = World::start().await;
    let (_, token) = world.with("");
    for (at, expiry) in ["", ", \"expirationTimestamp\": \"2100-01-01T00:00:00Z\""].into_iter().enumerate() {
        let given = format!(
            "{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": \
                             {{\"token\": \"{token}\"{expiry}}}}}"
        );
        let info = world.home.path().join("info");
        let plugin = world.plugin(&format!("printf %s \"$KUBERNETES_EXEC_INFO\" > {}\necho '{given}'", info.display()));
        let (config, _) = world.with(&format!(
            "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: {}\n  interactiveMode: IfAvailable\n  \
             provideClusterInfo: true\n  args: [get-token]\n  env: [{{name: WHO, value: me}}]",
            plugin.display()
        ));
        let ended = world.check(&[&world.file("config", &config)]).await;
        is_whole(&ended);
        assert_eq!(world.runs(), at + 1);
        let info: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(info).unwrap()).unwrap();
        assert_eq!(info["kind"], "ExecCredential");
        assert_eq!(info["spec"]["interactive"], false, "standard input is no terminal");
        assert!(info["spec"]["cluster"]["server"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{info}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_plugin_that_gives_nothing_is_named() {
    let world = World::start().await;
    let plugin = world.plugin("case $1 in fail) echo 'log in at https://login' >&2; exit 3;; junk) echo s3cr3t;; *) echo '{\"status\": {}}';; esac");
    for (name, argument, said) in [
        (plugin.display().to_string(), "fail", "failed: exit status: 3"),
        (plugin.display().to_string(), "junk", "printed no ExecCredential with a token, or a certificate and key"),
        (plugin.display().to_string(), "empty", "printed no ExecCredential with a token, or a certificate and key"),
        (
            "/nowhere/plugin".to_owned(),
            "",
            "does not start: No such file or directory (os error 2). Get it from its makers",
        ),
    ] {
        let (config, _) = world.with(&format!(
            "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: {name}\n  args: ['{argument}']\n  \
             installHint: Get it from its makers"
        ));
        let ended = world.check(&[&world.file("config", &config)]).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (3, ""), "{argument}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("the credential plugin `{name}` {said}")),
            "{argument}: {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("s3cr3t"), "{}", ended.stderr);
        // What it says itself is for who looks.
        assert_eq!(ended.stderr.contains("log in at https://login"), argument == "fail", "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_list_are_one_and_those_that_are_missing_are_nobody_s_concern() {
    let world = World::start().await;
    let whole = world.lab.kubeconfig();
    let (head, users) = whole.split_once("users:").unwrap();
    let first = world.file("first", head);
    let second = world.file("second", &format!("apiVersion: v1\nkind: Config\ncurrent-context: other\nusers:{users}"));
    let missing = world.home.path().join("missing");
    is_whole(&world.check(&[&missing, &first, &second]).await);
    let ended = world.check(&[&missing]).await;
    assert_eq!(ended.status, 3);
    assert!(ended.stderr.contains("missing") && ended.stderr.contains("No such file"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_file_is_read() {
    let world = World::start().await;
    let (_, token) = world.with("");
    let (config, _) = world.with(&format!("tokenFile: {}", world.file("token", &token).display()));
    is_whole(&world.check(&[&world.file("config", &config)]).await);
}

/// Requests, execs and port-forwards take the way that the cluster's entry names.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_on_the_way_to_the_server_is_taken() {
    let world = World::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let proxy = tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = near.read_u8().await else { return };
                    head.push(byte);
                }
                let line = String::from_utf8(head).unwrap().lines().next().unwrap_or_default().to_owned();
                let to = line.split(' ').nth(1).unwrap().to_owned();
                noted.lock().unwrap().push(line);
                let mut far = TcpStream::connect(to).await.unwrap();
                near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    let config =
        world.lab.kubeconfig().replace("    server:", &format!("    proxy-url: http://{address}\n    server:"));
    is_whole(&world.check(&[&world.file("config", &config)]).await);
    proxy.abort();
    let asked = asked.lock().unwrap();
    // At least one connection for the lists, one for each exec and each port-forward.
    assert!(asked.len() >= 8 && asked.iter().all(|line| line.starts_with("CONNECT 127.0.0.1:")), "{asked:?}");
}

#[test]
fn a_file_that_is_no_kubeconfig_keeps_its_secrets() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("config");
    for user in ["token: s3cr3t\n    username: {", "token: [s3cr3t]", "exec: s3cr3t", "client-key-data: \"\\s3cr3t\""] {
        std::fs::write(&path, format!("apiVersion: v1\nkind: Config\nusers:\n- name: lab\n  user:\n    {user}\n"))
            .unwrap();
        let Ended { status, stderr: told, .. } =
            Ended::of(&mut mtls(&["check", "--kubeconfig", &path.display().to_string()]));
        assert_eq!(status, 3, "{told}");
        assert!(told.contains("failed to parse") && told.contains("line ") && !told.contains("s3cr3t"), "{told}");
    }
}

#[test]
fn without_a_kubeconfig_and_outside_of_a_pod_it_says_so() {
    let home = TempDir::new().unwrap();
    let mut command = mtls(&["check"]);
    command.env("HOME", home.path()).env_remove("KUBERNETES_SERVICE_HOST");
    let Ended { status, stderr: told, .. } = Ended::of(&mut command);
    assert_eq!(status, 3, "{told}");
    assert!(told.contains("cannot use the kubeconfig") && told.contains("hint: name one with --kubeconfig"), "{told}");
}
