//! Requests that an inbound listener answers itself, because of who asks: 401 for tokens, 403 for rules.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};

use crate::lab::desired::access::Caller;
use crate::lab::proxy::failure::logged;
use crate::lab::proxy::http::reply::{Logged, ReplyBody, local_reply};
use crate::lab::proxy::http::{Manager, Routing};
use crate::lab::proxy::jwt::{self, AUDIENCE, Checked, MISSING, Refused};
use crate::lab::proxy::tls;

// === impl Manager ===

impl Manager {
    /// The answer for a caller that may not pass; takes a token that was good from the request.
    ///
    /// Envoy: `jwt_authn_access_denied{..}`, `rbac_access_denied_matched_policy[..]`, both in `response_code_details`.
    pub(super) fn refused(&self, request: &mut Request<()>, entry: &mut Logged) -> Option<Response<ReplyBody>> {
        let Routing::Inbound(_) = &self.routing else { return None };
        let programmed = self.proxy.programmed();
        let access = &programmed.config().access;
        let token = match jwt::check(access, request.headers(), &self.proxy.provider) {
            Checked::Refused(refused) => return Some(self.token_refused(refused, request, entry)),
            Checked::Absent => None,
            Checked::Good { principal, forwards } => {
                if !forwards {
                    request.headers_mut().remove(AUTHORIZATION);
                }
                Some(principal)
            }
        };
        if !access.tokens.is_empty() {
            self.count("jwt_authn.allowed");
        }
        let identity = self.peer.as_ref().and_then(|peer| tls::names(peer).into_iter().next());
        let principal = identity.as_deref().map(|name| name.trim_start_matches("spiffe://"));
        let path = request.uri().path();
        let caller = Caller {
            principal,
            request_principal: token.as_deref(),
            port: self.dialled.destination.port(),
            http: Some((request.method().as_str(), path)),
        };
        let Some(rule) = access.refuses(&caller) else {
            if access.is_ruled() {
                self.count("rbac.allowed");
            }
            return None;
        };
        self.count("rbac.denied");
        entry.entry_mut(|entry| entry.details = Some(format!("rbac_access_denied_matched_policy[{rule}]")));
        Some(local_reply(StatusCode::FORBIDDEN, "RBAC: access denied".to_owned()))
    }

    fn token_refused(&self, refused: Refused, request: &Request<()>, entry: &mut Logged) -> Response<ReplyBody> {
        let Refused(words) = refused;
        self.count("jwt_authn.denied");
        entry.entry_mut(|entry| entry.details = Some(format!("jwt_authn_access_denied{{{}}}", logged(words))));
        let status = if refused == AUDIENCE { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        let mut response = local_reply(status, words.to_owned());
        if status == StatusCode::UNAUTHORIZED {
            let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
            let (scheme, host) = (header("x-forwarded-proto").unwrap_or("http"), header("host").unwrap_or_default());
            let shown = if refused == MISSING { "" } else { ", error=\"invalid_token\"" };
            let realm = format!("Bearer realm=\"{scheme}://{host}{}\"{shown}", request.uri());
            if let Ok(realm) = HeaderValue::try_from(realm) {
                response.headers_mut().insert(WWW_AUTHENTICATE, realm);
            }
        }
        response
    }
}
