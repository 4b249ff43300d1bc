//! What is shipped: krew's manifest, completion files, their agreement with the code.

#![expect(clippy::expect_used, reason = "a file that cannot be read is a failed test")]

use std::path::{Path, PathBuf};

use kubectl_mtls::cli::complete::{Shell, script};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest() -> Value {
    let text = std::fs::read_to_string(root().join("plugin.yaml")).expect("plugin.yaml is there");
    serde_saphyr::from_str(&text).expect("plugin.yaml is YAML")
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn platforms(manifest: &Value) -> Vec<Value> {
    manifest.pointer("/spec/platforms").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// `from` of each entry of `files`.
fn shipped(platform: &Value) -> Vec<&str> {
    let files = platform.get("files").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    files.iter().map(|file| text(file, "/from")).collect()
}

/// krew: `internal/index/validation/validate.go`.
#[test]
fn the_manifest_has_the_shape_that_krew_wants() {
    let manifest = manifest();
    assert_eq!(text(&manifest, "/apiVersion"), "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(text(&manifest, "/kind"), "Plugin");
    let name = text(&manifest, "/metadata/name");
    assert_eq!(name, "mtls");
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    assert_eq!(text(&manifest, "/spec/version"), concat!("v", env!("CARGO_PKG_VERSION")));
    let short = text(&manifest, "/spec/shortDescription");
    assert!((1..=50).contains(&short.len()) && !short.contains('\n') && !short.ends_with('.'), "{short}");
    let description = text(&manifest, "/spec/description");
    assert!(!description.is_empty() && description.lines().all(|line| line.len() <= 80), "{description}");
    assert!(!description.contains("kubectl mtls"), "krew: a description does not list commands");
}

#[test]
fn every_platform_is_selected_by_go_names_and_ships_the_licence() {
    let manifest = manifest();
    let mut selected = Vec::new();
    for platform in platforms(&manifest) {
        let labels = platform.pointer("/selector/matchLabels").and_then(Value::as_object).cloned().unwrap_or_default();
        assert!(labels.keys().all(|key| key == "os" || key == "arch"), "krew matches nothing else: {labels:?}");
        let (os, arch) = (text(&platform, "/selector/matchLabels/os"), text(&platform, "/selector/matchLabels/arch"));
        selected.push(format!("{os}/{arch}"));
        let files = shipped(&platform);
        assert!(files.contains(&"LICENSE"), "{os}/{arch}");
        let bin = text(&platform, "/bin");
        assert!(files.contains(&bin), "{os}/{arch}: {bin} is extracted");
        assert_eq!(bin, if os == "windows" { "kubectl-mtls.exe" } else { "kubectl-mtls" });
        let archive = if os == "windows" { "zip" } else { "tar.gz" };
        assert!(text(&platform, "/uri").ends_with(&format!("kubectl-mtls-{os}-{arch}.{archive}")));
        let sum = text(&platform, "/sha256");
        assert!(sum.len() == 64 && sum.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{sum}");
    }
    assert_eq!(selected, ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"]);
}

#[test]
fn nobody_mistakes_the_manifest_for_a_release() {
    for platform in platforms(&manifest()) {
        let placeholder = text(&platform, "/uri").starts_with("https://example.invalid/");
        let zeros = text(&platform, "/sha256").chars().all(|c| c == '0');
        assert_eq!(placeholder, zeros, "an address and its checksum are real together or not at all");
    }
}

#[test]
fn what_the_manifest_ships_is_in_the_repository() {
    for file in ["LICENSE", "completions/kubectl_complete-mtls"] {
        assert!(root().join(file).is_file(), "{file}");
    }
}

fn completion_file(shell: Shell) -> PathBuf {
    let name = match shell {
        Shell::Bash => "kubectl-mtls.bash",
        Shell::Zsh => "_kubectl-mtls",
        Shell::Fish => "kubectl-mtls.fish",
        Shell::Powershell => "_kubectl-mtls.ps1",
    };
    root().join("completions").join(name)
}

/// After a change of `clap_complete`: `kubectl-mtls completion SHELL > completions/FILE`.
#[test]
fn completion_files_are_what_the_program_prints() {
    for shell in Shell::ALL {
        let mut printed = Vec::new();
        script(shell, &mut printed).expect("a vector takes everything");
        let file = completion_file(shell);
        let kept = std::fs::read(&file).unwrap_or_default();
        let name = shell.as_str();
        assert!(kept == printed, "{} differs from what `kubectl-mtls completion {name}` prints", file.display());
    }
}

#[cfg(unix)]
#[test]
fn the_shim_can_be_executed() {
    use std::os::unix::fs::PermissionsExt as _;
    let shim = root().join("completions/kubectl_complete-mtls");
    let mode = shim.metadata().expect("the shim is there").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "kubectl ignores files that cannot be executed");
}
