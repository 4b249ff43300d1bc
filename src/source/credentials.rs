//! Credentials by a plugin that the kubeconfig names. It is run once: kube (5.0) runs it three times for one client, and whoever
//! confirms a login by hand, or pays for one by the second, notices.
//!
//! Kubernetes: `staging/src/k8s.io/client-go/plugin/pkg/client/auth/exec/exec.go`, `pkg/apis/clientauthentication/v1/types.go`.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a plugin prints.
#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Puts what the plugin gives in its place, where the kubeconfig names one and nothing that comes before it.
///
/// # Errors
/// Why there are no credentials, in words that hold none.
pub(super) async fn settle(auth: &mut AuthInfo) -> Result<(), String> {
    let given = auth.token.is_some() || auth.token_file.is_some() || auth.username.is_some() && auth.password.is_some();
    if given || auth.auth_provider.is_some() {
        return Ok(());
    }
    let Some(exec) = auth.exec.take() else { return Ok(()) };
    let ran = tokio::task::spawn_blocking(move || run(&exec)).await;
    let status = ran.map_err(|error| format!("the credential plugin was not run: {error}"))??;
    if let (Some(certificate), Some(key)) = (status.client_certificate_data, status.client_key_data) {
        auth.client_certificate_data = Some(STANDARD.encode(certificate));
        auth.client_key_data = Some(STANDARD.encode(key).into());
    }
    if let Some(token) = status.token {
        auth.token = Some(token.into());
    }
    Ok(())
}

fn run(exec: &ExecConfig) -> Result<Status, String> {
    let name = exec.command.as_deref().ok_or("the credential plugin has no command")?;
    let hint = exec.install_hint.as_deref().map(|hint| format!(". {}", hint.trim())).unwrap_or_default();
    let output = command(name, exec)
        .output()
        .map_err(|error| format!("the credential plugin `{name}` does not start: {error}{hint}"))?;
    if !output.status.success() {
        return Err(format!("the credential plugin `{name}` failed: {}", output.status));
    }
    let credential: Option<ExecCredential> = serde_saphyr::from_slice(&output.stdout).ok();
    credential
        .and_then(|credential| credential.status)
        .filter(|status| {
            status.token.is_some() || status.client_certificate_data.is_some() && status.client_key_data.is_some()
        })
        .ok_or_else(|| {
            format!("the credential plugin `{name}` printed no ExecCredential with a token, or a certificate and key")
        })
}

/// What it says to a person goes to the person, and nowhere else.
fn command(name: &str, exec: &ExecConfig) -> Command {
    let interactive = match exec.interactive_mode {
        Some(ExecInteractiveMode::Never) => false,
        Some(ExecInteractiveMode::IfAvailable | ExecInteractiveMode::Always) | None => std::io::stdin().is_terminal(),
    };
    let mut command = Command::new(name);
    command.args(exec.args.iter().flatten());
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    let cluster = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info);
    let mut spec = json!({ "interactive": interactive });
    if let (Some(spec), Some(cluster)) = (spec.as_object_mut(), cluster) {
        spec.insert("cluster".to_owned(), serde_json::to_value(cluster).unwrap_or(Value::Null));
    }
    let info = json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
    command.stderr(Stdio::inherit());
    command
}

#[cfg(test)]
mod tests {
    use super::{STANDARD, settle};
    use base64::Engine as _;
    use kube::config::AuthInfo;

    fn user(text: &str) -> AuthInfo {
        serde_saphyr::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn a_certificate_and_its_key_take_the_place_of_those_of_the_file() {
        let mut auth = user(
            "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: echo\n  args: ['{\"status\": {\
             \"clientCertificateData\": \"CERTIFICATE\", \"clientKeyData\": \"KEY\"}}']\n",
        );
        settle(&mut auth).await.unwrap();
        assert_eq!(auth.client_certificate_data, Some(STANDARD.encode("CERTIFICATE")));
        assert!(auth.client_key_data.is_some() && auth.token.is_none() && auth.exec.is_none());
    }

    #[tokio::test]
    async fn a_token_comes_before_a_plugin_which_is_not_run_then() {
        for before in ["token: t", "tokenFile: t", "{username: u, password: p}"] {
            let before = before.trim_matches(['{', '}']).replace(", ", "\n");
            let mut auth = user(&format!("{before}\nexec: {{apiVersion: v1, command: 'false'}}\n"));
            settle(&mut auth).await.unwrap();
        }
    }
}
