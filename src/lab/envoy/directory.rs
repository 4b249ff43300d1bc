//! A directory that only this user may enter, gone with its owner.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A private directory below the system's one for temporary files.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

// === impl Directory ===

impl Directory {
    /// Makes it, mode 0700, with a name nobody can guess.
    pub(super) fn create() -> io::Result<Self> {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let path = std::env::temp_dir().join(format!("kubectl-mtls-{random:016x}"));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind is empty of secrets: keys go over the socket only.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
