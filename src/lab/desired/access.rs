//! What an inbound listener asks of callers beyond their transport: `AuthorizationPolicy` and `RequestAuthentication`.

/// Both kinds of policy, for one sidecar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Whose tokens are checked; without any nobody looks for one.
    pub tokens: Vec<TokenRule>,
    /// Whether a request needs a token: Envoy's own default, which istiod never writes.
    pub token_required: bool,
    /// Who is refused.
    pub deny: Vec<AccessRule>,
    /// Who is let in; `None` where no policy says so, and everybody is.
    pub allow: Option<Vec<AccessRule>>,
}

/// An issuer of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRule {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud`, one of which a token needs; empty for any.
    pub audiences: Vec<String>,
    /// Its public keys (RFC 7517).
    pub jwks: String,
    /// Whether the token goes on to the application.
    pub forwards: bool,
}

/// A rule of an `AuthorizationPolicy`: one of the sources and one of the operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// `ns[foo]-policy[deny-all]-rule[0]`, as Envoy's log names it.
    pub name: String,
    /// Callers; empty for any.
    pub from: Vec<Source>,
    /// What they ask for; empty for anything.
    pub to: Vec<Operation>,
}

/// `from.source`: everything in it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Identities in certificates, without `spiffe://`.
    pub principals: Listed,
    /// Namespaces in those.
    pub namespaces: Listed,
    /// `iss/sub` of tokens.
    pub request_principals: Listed,
}

/// `to.operation`: everything in it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// Ports of the workload.
    pub ports: Listed,
    /// HTTP methods.
    pub methods: Listed,
    /// HTTP paths.
    pub paths: Listed,
}

/// Values that are asked for and values that must not be: exact, `prefix*`, `*suffix`, or `*` for any that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// One of these; empty for no such condition.
    pub any: Vec<String>,
    /// None of these.
    pub none: Vec<String>,
}

/// A request, or a connection, as far as the rules look at it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'c> {
    /// `cluster.local/ns/foo/sa/sleep` of its certificate.
    pub principal: Option<&'c str>,
    /// `iss/sub` of its token.
    pub request_principal: Option<&'c str>,
    /// The port it dialled.
    pub port: u16,
    /// Method and path; `None` where bytes are not read as HTTP.
    pub http: Option<(&'c str, &'c str)>,
}

// === impl Access ===

impl Access {
    /// The rule that refuses a caller, `none` where no rule lets it in; `None` for those who may pass.
    ///
    /// Envoy: `rbac_access_denied_matched_policy[..]`. Istio: `pilot/pkg/security/authz/builder/builder.go`, DENY before ALLOW.
    #[must_use]
    pub fn refuses(&self, caller: &Caller<'_>) -> Option<&str> {
        if let Some(rule) = self.deny.iter().find(|rule| rule.denies(caller)) {
            return Some(&rule.name);
        }
        let allow = self.allow.as_ref()?;
        if allow.iter().any(|rule| rule.allows(caller)) { None } else { Some("none") }
    }

    /// Whether any policy is there that lets in or refuses.
    #[must_use]
    pub fn is_ruled(&self) -> bool {
        !self.deny.is_empty() || self.allow.is_some()
    }
}

// === impl AccessRule ===

impl AccessRule {
    /// On TCP ports what only HTTP has holds of everybody.
    ///
    /// Istio: `pilot/pkg/security/authz/model/model.go:generatePolicy`, `forTCP` with action DENY.
    fn denies(&self, caller: &Caller<'_>) -> bool {
        self.holds(caller, true)
    }

    /// On TCP ports what only HTTP has holds of nobody.
    fn allows(&self, caller: &Caller<'_>) -> bool {
        self.holds(caller, false)
    }

    fn holds(&self, caller: &Caller<'_>, unread: bool) -> bool {
        let from = self.from.is_empty() || self.from.iter().any(|source| source.holds(caller, unread));
        let to = self.to.is_empty() || self.to.iter().any(|operation| operation.holds(caller, unread));
        from && to
    }
}

// === impl Source, Operation ===

impl Source {
    fn holds(&self, caller: &Caller<'_>, unread: bool) -> bool {
        let namespace = caller.principal.and_then(|name| name.split_once("/ns/")?.1.split('/').next());
        let token = match caller.http {
            None if !self.request_principals.is_empty() => unread,
            None | Some(_) => self.request_principals.takes(caller.request_principal),
        };
        self.principals.takes(caller.principal) && self.namespaces.takes(namespace) && token
    }
}

impl Operation {
    fn holds(&self, caller: &Caller<'_>, unread: bool) -> bool {
        let http = match caller.http {
            Some((method, path)) => {
                let path = path.split(['?', '#']).next().unwrap_or_default();
                self.methods.takes(Some(method)) && self.paths.takes(Some(path))
            }
            None if self.methods.is_empty() && self.paths.is_empty() => true,
            None => unread,
        };
        http && self.ports.takes(Some(&caller.port.to_string()))
    }
}

// === impl Listed ===

impl Listed {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.none.is_empty()
    }

    fn takes(&self, value: Option<&str>) -> bool {
        let matches = |wanted: &String| value.is_some_and(|value| fits(wanted, value));
        (self.any.is_empty() || self.any.iter().any(matches)) && !self.none.iter().any(matches)
    }
}

/// Istio: `pilot/pkg/security/authz/matcher/string.go:StringMatcherWithPrefix`.
fn fits(wanted: &str, value: &str) -> bool {
    if wanted == "*" {
        return !value.is_empty();
    }
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(end), _) => value.ends_with(end),
        (None, Some(start)) => value.starts_with(start),
        (None, None) => value == wanted,
    }
}
