//! Access logs: Istio's text format, or one JSON object a line for the lab to read.

use serde_json::{Value, json};

/// Istio: `pilot/pkg/model/telemetry_logging.go:EnvoyTextLogFormat`.
const TEXT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% ",
    "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% ",
    "%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ",
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// Fields of `lab::proxy::access_log::AccessLogEntry`, in Envoy's command operators.
const FIELDS: [(&str, &str); 26] = [
    ("start", "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("attempt_count", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("downstream_transport_failure_reason", "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("route_name", "%ROUTE_NAME%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("downstream_peer_uri_san", "%DOWNSTREAM_PEER_URI_SAN%"),
    ("upstream_peer_uri_san", "%UPSTREAM_PEER_URI_SAN%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration_ms", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
];

/// Who reads the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logging {
    /// People: Istio's text format; of the listener's own lines only `NR`.
    #[default]
    Text,
    /// The lab: JSON, every line.
    Json,
}

// === impl Logging ===

impl Logging {
    /// Of an HTTP connection manager or a TCP proxy.
    pub(super) fn of_filter(self) -> Value {
        json!([self.logger("filter")])
    }

    /// Of a listener: connections that never reached a filter.
    pub(super) fn of_listener(self) -> Value {
        let mut logger = self.logger("listener");
        if self == Self::Text
            && let Some(logger) = logger.as_object_mut()
        {
            logger.shift_insert(1, "filter".to_owned(), json!({ "response_flag_filter": { "flags": ["NR"] } }));
        }
        json!([logger])
    }

    fn logger(self, log: &str) -> Value {
        let format = match self {
            Self::Text => json!({ "text_format_source": { "inline_string": TEXT } }),
            Self::Json => {
                let mut fields = serde_json::Map::from_iter([("log".to_owned(), json!(log))]);
                fields.extend(FIELDS.map(|(name, operator)| (name.to_owned(), json!(operator))));
                json!({ "json_format": fields })
            }
        };
        json!({
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": "/dev/stdout",
                "log_format": format,
            },
        })
    }
}
