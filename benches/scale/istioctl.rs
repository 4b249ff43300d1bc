//! istioctl, built from its published module.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The package of the command.
const PACKAGE: &str = "istio.io/istio/istioctl/cmd/istioctl";

/// The binary; built where it is not there yet, which takes minutes. `None` where Go or the modules are missing.
pub(crate) fn built() -> Option<String> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let wanted = std::fs::read_to_string(modules.join("go.mod")).ok()?;
    let version = wanted.lines().find_map(|line| line.trim().strip_prefix("istio.io/istio "))?;
    let cache = cache()?.join("kubectl-mtls");
    let binary = cache.join(format!("istioctl-{}", version.trim()));
    if !binary.exists() {
        build(&modules, &cache, &binary)?;
    }
    binary.to_str().map(str::to_owned)
}

fn build(modules: &Path, cache: &Path, binary: &Path) -> Option<()> {
    let work = cache.join(format!("istioctl-build-{}", std::process::id()));
    std::fs::create_dir_all(&work).ok()?;
    // A module of its own: building a command adds to go.mod what the oracle does not need.
    for file in ["go.mod", "go.sum"] {
        std::fs::copy(modules.join(file), work.join(file)).ok()?;
    }
    let made = work.join("istioctl");
    let status = Command::new("go")
        .args(["build", "-p", "2", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(&made)
        .arg(PACKAGE)
        .current_dir(&work)
        .env("CGO_ENABLED", "0")
        .stdout(Stdio::null())
        .status();
    let built = status.ok().filter(ExitStatus::success).and_then(|_| std::fs::rename(&made, binary).ok());
    let _ = std::fs::remove_dir_all(&work);
    built
}

fn cache() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    set.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
}
