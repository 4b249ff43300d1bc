//! Where an Envoy binary is.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the sidecars of the lab are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// The lab's own proxy.
    #[default]
    Reference,
    /// A real Envoy, this one or wherever one is found.
    Envoy(Option<PathBuf>),
}

/// Why a text is no choice of proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no proxy of the reference mesh; write reference, envoy or envoy=PATH")]
pub struct NoSuchProxy(String);

/// There is no Envoy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEnvoy {
    /// The one that was named is not there.
    #[error("there is no program `{}`", .0.display())]
    NotThere(PathBuf),
    /// None was named and none was found.
    #[error("no `envoy` in PATH, and none in {}; name one with envoy=PATH, or get it with tests/envoy/fetch", .0.display())]
    NotFound(PathBuf),
}

// === impl ProxyChoice ===

impl ProxyChoice {
    /// The binary to run; `None` for the lab's own proxy.
    ///
    /// # Errors
    /// [`NoEnvoy`] where an Envoy is wanted and there is none.
    pub fn program(&self) -> Result<Option<PathBuf>, NoEnvoy> {
        match self {
            Self::Reference => Ok(None),
            Self::Envoy(Some(path)) if path.is_file() => Ok(Some(path.clone())),
            Self::Envoy(Some(path)) => Err(NoEnvoy::NotThere(path.clone())),
            Self::Envoy(None) => {
                let cache = cache();
                in_path().or_else(|| in_cache(&cache)).map(Some).ok_or(NoEnvoy::NotFound(cache))
            }
        }
    }
}

impl FromStr for ProxyChoice {
    type Err = NoSuchProxy;

    fn from_str(text: &str) -> Result<Self, NoSuchProxy> {
        match text.split_once('=') {
            None if text == "reference" => Ok(Self::Reference),
            None if text == "envoy" => Ok(Self::Envoy(None)),
            Some(("envoy", path)) if !path.is_empty() => Ok(Self::Envoy(Some(PathBuf::from(path)))),
            _ => Err(NoSuchProxy(text.to_owned())),
        }
    }
}

impl fmt::Display for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference => f.write_str("reference"),
            Self::Envoy(None) => f.write_str("envoy"),
            Self::Envoy(Some(path)) => write!(f, "envoy={}", path.display()),
        }
    }
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("envoy")).find(|program| program.is_file())
}

/// Where `tests/envoy/fetch` puts what it fetches.
fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = from("XDG_CACHE_HOME").or_else(|| Some(from("HOME")?.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("kubectl-mtls")
}

/// The newest of `envoy-<version>/envoy`.
fn in_cache(cache: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(cache).ok()?;
    let version = |name: &OsStr| -> Option<Vec<u32>> {
        name.to_str()?.strip_prefix("envoy-")?.split('.').map(|part| part.parse().ok()).collect()
    };
    let found = entries.flatten().filter_map(|entry| {
        let program = entry.path().join("envoy");
        Some((version(&entry.file_name())?, program.is_file().then_some(program)?))
    });
    found.max().map(|(_, program)| program)
}

#[cfg(test)]
mod tests {
    use super::{ProxyChoice, in_cache};

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["reference", "envoy", "envoy=/opt/envoy"] {
            assert_eq!(text.parse::<ProxyChoice>().unwrap().to_string(), text);
        }
        for text in ["", "Envoy", "envoy=", "nginx", "reference=1"] {
            assert!(text.parse::<ProxyChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_newest_version_is_taken_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["envoy-1.9.0", "envoy-1.40.0", "envoy-1.36.2", "envoy-next", "other-2.0.0"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join("envoy"), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("envoy-1.41.0")).unwrap();
        assert_eq!(in_cache(folder.path()).unwrap(), folder.path().join("envoy-1.40.0/envoy"));
        assert_eq!(in_cache(&folder.path().join("none")), None);
    }
}
