//! A bundle gives the same answer elsewhere, and holds nothing that is nobody's business.

use std::path::Path;
use std::process::{Command, Output};

use kubectl_mtls::gather::bundle::{Head, Record};
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};

fn run(args: &[&str], more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    command.args(args).args(more).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn files(directory: &Path) -> String {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn a_bundle_answers_as_the_mesh_did_to_the_byte() {
    let home = tempfile::tempdir().unwrap();
    let bundle = home.path().join("saved");
    let bundle = bundle.to_str().unwrap();
    let scope = ["check", "-A", "--from", "app=sleep", "-o", "json"];
    let live = run(
        &scope,
        &["--standalone", "-f", "tests/cli/policies.yaml", "--drift", "server=httpbin.foo", "--save", bundle],
    );
    let kept = run(&scope, &["--bundle", bundle]);
    assert_eq!(text(&live.stdout), text(&kept.stdout));
    assert_eq!((live.status.code(), kept.status.code()), (Some(1), Some(1)));
    let source = text(&live.stderr).lines().next().unwrap().to_owned();
    assert_eq!(text(&kept.stderr).lines().next().unwrap(), format!("bundle {bundle}: {source}"));
    let again = run(&scope, &["--standalone", "--save", bundle]);
    let told = format!("error: `{bundle}` is not empty\nhint: name a directory that is not there yet\n");
    assert_eq!((text(&again.stderr), again.status.code()), (told, Some(3)));
}

#[test]
fn a_bundle_of_another_version_and_what_is_none_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let bundle = home.path().to_str().unwrap();
    let none = run(&["check", "--bundle", bundle], &[]);
    assert!(text(&none.stderr).starts_with(&format!("error: cannot use `{bundle}/bundle.json`: ")), "{none:?}");
    let head = "{\"kind\":\"kubectl-mtls-bundle\",\"version\":99,\"lookedAt\":\"\",\"namespace\":\"\",\"istio\":true,\
                \"failedLooks\":false,\"failed\":[]}";
    std::fs::write(home.path().join("bundle.json"), head).unwrap();
    let other = run(&["check", "--bundle", bundle], &[]);
    let told = format!("error: the bundle `{bundle}` has version 99, this program reads version 1\n");
    assert!(text(&other.stderr).starts_with(&told), "{}", text(&other.stderr));
    assert_eq!((none.status.code(), other.status.code()), (Some(3), Some(3)));
}

/// What must never leave a mesh, planted wherever a pod, a proxy or an answer could have it.
const SECRETS: [&str; 6] = [
    "planted-environment-value",
    "planted-annotation-token",
    "PRIVATE KEY",
    "W3JlZGFjdGVkXQ", // Envoy's `[redacted]` in place of a private key
    "planted-argument",
    "ISTIO_META",
];

#[test]
fn no_key_token_or_environment_value_is_in_any_output_or_bundle() {
    let home = tempfile::tempdir().unwrap();
    let mesh = home.path().join("mesh.yaml");
    std::fs::write(
        &mesh,
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: secretive\n  namespace: foo\n  labels: {app: sleep}\n  annotations: \
         {example.com/token: planted-annotation-token}\nspec:\n  containers:\n  - name: sleep\n    image: curlimages/curl\n    \
         args: [planted-argument]\n    env: [{name: TOKEN, value: planted-environment-value}]\n",
    )
    .unwrap();
    let mesh = mesh.to_str().unwrap();
    for format in ["json", "table", "wide", "yaml", "name", "jsonpath={.pairs}"] {
        let bundle = home.path().join(format.split(['=']).next().unwrap());
        let args =
            ["check", "--standalone", "--full-dump", "-f", mesh, "-o", format, "--save", bundle.to_str().unwrap()];
        let output = run(&args, &[]);
        let all = text(&output.stdout) + &text(&output.stderr) + &files(&bundle);
        assert!(all.contains("secretive") && all.contains("virtualInbound"), "{all}");
        harmless(&all, format);
        let from = ["--bundle", bundle.to_str().unwrap()];
        for command in [&["explain", "httpbin.foo:8000"][..], &["explain", "httpbin.foo", "-o", "json"]] {
            let output = run(command, &from);
            harmless(&(text(&output.stdout) + &text(&output.stderr)), &format!("{command:?}"));
        }
    }
    let broken = home.path().join("broken.yaml");
    std::fs::write(&broken, BROKEN).unwrap();
    let broken = broken.to_str().unwrap();
    for command in [&["check", "-A", "-f", broken][..], &["explain", "httpbin.foo", "-f", broken]] {
        let output = run(command, &[]);
        let told = text(&output.stderr);
        assert!(told.contains("broken.yaml:9:"), "{command:?}: {told}");
        harmless(&(text(&output.stdout) + &told), &format!("{command:?}"));
    }
}

fn harmless(all: &str, what: &str) {
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} in {what}");
    }
    let bearer = all.to_ascii_lowercase();
    assert!(!bearer.contains("bearer") && !bearer.contains("private_key"), "{what}");
}

/// Documents that cannot be read at the very line that is nobody's business, and one with a key that stands twice.
const BROKEN: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: foo}\nspec:\n  containers:\n  - name: sleep\n\
                      \x20   env:\n    - name: TOKEN\n      value: planted-environment-value: x\n---\n\
                      apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  password: planted-argument: x\n---\n\
                      apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {containers: [{name: a, env: [{name: A,\n\
                      \x20 value: planted-environment-value, value: planted-environment-value}]}]}\n";

/// Every recorded dump reads the same when it has been cut.
#[test]
fn what_is_cut_off_a_dump_was_not_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dumps");
    let mut compared = 0;
    for directory in ["cluster", "envoy"] {
        for entry in std::fs::read_dir(root.join(directory)).unwrap() {
            let file = entry.unwrap().path();
            if !file.to_str().unwrap().contains("config_dump") {
                continue;
            }
            let answers = ProxyAnswers {
                namespace: "foo".to_owned(),
                pod: "pod".to_owned(),
                answers: vec![Answer {
                    endpoint: AdminEndpoint::ConfigDump,
                    query: "/config_dump?include_eds".to_owned(),
                    body: std::fs::read(&file).unwrap(),
                }],
                ..ProxyAnswers::default()
            };
            let home = tempfile::tempdir().unwrap();
            let mut record = Record { head: Head::new("", ""), ..Record::default() };
            record.proxies.answers.push(answers.clone());
            record.save(home.path()).unwrap();
            let cut = Record::load(home.path()).unwrap().proxies.answers.remove(0);
            assert!(cut.answers[0].body.len() < answers.answers[0].body.len(), "{}", file.display());
            let read = |answers: &ProxyAnswers| format!("{:?}", Proxy::read(answers, &Wanted::all()));
            assert_eq!(read(&cut), read(&answers), "{}", file.display());
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared}");
}
