//! `--mesh-config`: the mesh configuration, where the manifests do not bring it.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::cli::{Streams, notice};
use crate::decode::mesh_config;
use crate::exit::Exit;
use crate::source::manifests::{self, Text};

/// The mesh configuration of manifests.
#[derive(Debug, Args)]
pub struct MeshConfigArgs {
    /// Mesh configuration of every revision (mesh.yaml as istioctl takes it, or the ConfigMap), beside -f
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Source",
          requires = "filename", conflicts_with = "standalone")]
    mesh_config: Option<PathBuf>,
}

// === impl MeshConfigArgs ===

impl MeshConfigArgs {
    /// Reads it; every answer rests on it, so one that cannot be read ends the matter.
    ///
    /// # Errors
    /// The exit status, once the reason has been said.
    pub fn read(&self, streams: &mut Streams<'_>) -> Result<Option<Value>, Exit> {
        let Some(name) = &self.mesh_config else { return Ok(None) };
        let read = manifests::read_one(name).map_err(|unreadable| unreadable.to_string());
        let value = read.and_then(|Text { file, text }| {
            mesh_config::given(&text).map_err(|why| format!("cannot use `{file}` as mesh configuration: {why}"))
        });
        value.map(Some).map_err(|why| {
            notice::error(streams, &why, Some("a MeshConfig like the `data.mesh` of the ConfigMap `istio`"));
            Exit::CouldNotWork
        })
    }

    /// The flag that gives it again.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        self.mesh_config.as_ref().map(|name| format!("--mesh-config {}", name.display()))
    }
}
