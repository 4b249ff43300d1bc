//! Reading the kubeconfig as kubectl does: a file that is named, else the list of `KUBECONFIG`, else `~/.kube/config`.

use std::path::Path;

use kube::config::{Kubeconfig, KubeconfigError};

/// The variable that lists files, the first of which counts where they differ.
const LIST: &str = "KUBECONFIG";

/// The kubeconfig; of a list the files that are there.
///
/// Kubernetes: `staging/src/k8s.io/client-go/tools/clientcmd/loader.go:ClientConfigLoadingRules.Load`.
///
/// # Errors
/// kube's, where a file cannot be read, or none is there.
pub(super) fn read(file: Option<&Path>) -> Result<Kubeconfig, KubeconfigError> {
    if let Some(file) = file {
        return Kubeconfig::read_from(file);
    }
    let list = std::env::var_os(LIST).unwrap_or_default();
    let named: Vec<_> = std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    let there: Vec<_> = named.iter().filter(|path| path.exists()).collect();
    match (named.first(), there.as_slice()) {
        (None, _) => Kubeconfig::read(),
        (Some(first), []) => Kubeconfig::read_from(first),
        (Some(_), files) => files.iter().try_fold(Kubeconfig::default(), |merged, file| {
            Kubeconfig::read_from(file).and_then(|next| merged.merge(next))
        }),
    }
}

/// Whether there is no kubeconfig at all.
pub(super) fn is_missing(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Where a file is no kubeconfig: neither its lines nor its values are told, for they hold keys and tokens.
pub(super) fn unreadable(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let parts = line.split('"').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "..." });
    format!("failed to parse it: {}", parts.collect::<Vec<_>>().join("\"").trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn neither_lines_nor_values_are_told() {
        for text in [
            "token: [s3cr3t]\nusername: {",
            "token: \"\\s3cr3t\"",
            "exec: s3cr3t",
            "users: s3cr3t",
            "users: [{user: s3cr3t}]",
        ] {
            let text = format!(
                "apiVersion: v1\nkind: Config\nusers:\n- name: lab\n  user:\n    {}\n",
                text.replace('\n', "\n    ")
            );
            for text in [text.clone(), text.replace("users:\n- name: lab\n  user:\n    ", "")] {
                let Err(error) = serde_saphyr::from_str::<kube::config::Kubeconfig>(&text) else { continue };
                let told = super::unreadable(&error);
                assert!(!told.contains("s3cr3t") && told.contains("line "), "{told}");
            }
        }
    }
}
