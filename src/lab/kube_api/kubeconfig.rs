//! How clients reach the lab: address, authority, token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a client needs to connect.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// `https://127.0.0.1:<port>`.
    pub server: String,
    /// The authority's certificate.
    pub authority_pem: String,
    /// The bearer token.
    pub token: String,
}

// === impl Connection ===

impl Connection {
    /// A kubeconfig with one context, `lab`, in no particular namespace.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let Self { server, authority_pem, token } = self;
        let authority = STANDARD.encode(authority_pem);
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             current-context: lab\n\
             contexts:\n\
             - name: lab\n  context:\n    cluster: lab\n    user: lab\n\
             clusters:\n\
             - name: lab\n  cluster:\n    server: {server}\n    certificate-authority-data: {authority}\n\
             users:\n\
             - name: lab\n  user:\n    token: {token}\n"
        )
    }
}

/// Without the token: this may end in a log.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}
