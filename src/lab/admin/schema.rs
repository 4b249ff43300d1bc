//! What of Envoy's `config_dump.proto` a query can name: sections, their lists, and the fields of what is in the lists.

/// A section of the dump: one message of package `envoy.admin.v3`.
#[derive(Debug)]
pub(super) struct Section {
    /// `ClustersConfigDump`.
    pub(super) name: &'static str,
    /// Fields that are not lists.
    pub(super) singular: &'static [&'static str],
    /// Lists.
    pub(super) lists: &'static [List],
}

/// A list of a section.
#[derive(Debug)]
pub(super) struct List {
    /// `dynamic_active_clusters`.
    pub(super) field: &'static str,
    /// Its elements' message below the section's: `DynamicCluster`.
    pub(super) element: &'static str,
    /// Where in an element its name is; empty where it has none.
    pub(super) name: &'static str,
    /// Fields of an element.
    pub(super) fields: &'static [&'static str],
    /// The field that holds another message whole (`google.protobuf.Any`) and that a mask may look into, with the fields
    /// of that message; `*` before those that are lists.
    pub(super) opened: Option<(&'static str, &'static [&'static str])>,
}

pub(super) const PREFIX: &str = "type.googleapis.com/envoy.admin.v3.";

const DYNAMIC: &[&str] = &["version_info", "last_updated", "error_state", "client_status"];
const STATIC: &[&str] = &["last_updated"];
const SECRET: &[&str] = &["name", "version_info", "last_updated", "secret", "error_state", "client_status"];

/// `envoy.config.cluster.v3.Cluster`.
const CLUSTER: Option<(&str, &[&str])> = Some((
    "cluster",
    &[
        "*transport_socket_matches",
        "name",
        "alt_stat_name",
        "type",
        "cluster_type",
        "eds_cluster_config",
        "connect_timeout",
        "per_connection_buffer_limit_bytes",
        "lb_policy",
        "load_assignment",
        "*health_checks",
        "max_requests_per_connection",
        "circuit_breakers",
        "upstream_http_protocol_options",
        "common_http_protocol_options",
        "http_protocol_options",
        "http2_protocol_options",
        "typed_extension_protocol_options",
        "dns_refresh_rate",
        "respect_dns_ttl",
        "dns_lookup_family",
        "outlier_detection",
        "cleanup_interval",
        "upstream_bind_config",
        "lb_subset_config",
        "ring_hash_lb_config",
        "maglev_lb_config",
        "original_dst_lb_config",
        "least_request_lb_config",
        "common_lb_config",
        "transport_socket",
        "metadata",
        "protocol_selection",
        "upstream_connection_options",
        "close_connections_on_host_health_failure",
        "ignore_health_on_host_removal",
        "*filters",
        "load_balancing_policy",
        "track_timeout_budgets",
        "upstream_config",
        "track_cluster_stats",
        "connection_pool_per_downstream_connection",
    ],
));

/// `envoy.config.route.v3.RouteConfiguration`.
const ROUTE: Option<(&str, &[&str])> = Some((
    "route_config",
    &[
        "name",
        "*virtual_hosts",
        "vhds",
        "*internal_only_headers",
        "*response_headers_to_add",
        "*response_headers_to_remove",
        "*request_headers_to_add",
        "*request_headers_to_remove",
        "most_specific_header_mutations_wins",
        "validate_clusters",
        "max_direct_response_body_size_bytes",
        "*cluster_specifier_plugins",
        "*request_mirror_policies",
        "ignore_port_in_host_matching",
        "typed_per_filter_config",
        "metadata",
    ],
));

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`.
const ENDPOINTS: Option<(&str, &[&str])> =
    Some(("endpoint_config", &["cluster_name", "*endpoints", "named_endpoints", "policy"]));

const fn list(
    field: &'static str,
    element: &'static str,
    name: &'static str,
    fields: &'static [&'static str],
    opened: Option<(&'static str, &'static [&'static str])>,
) -> List {
    List { field, element, name, fields, opened }
}

/// Every section, in Envoy's order.
pub(super) const SECTIONS: [Section; 7] = [
    Section { name: "BootstrapConfigDump", singular: &["bootstrap", "last_updated"], lists: &[] },
    Section {
        name: "ClustersConfigDump",
        singular: &["version_info"],
        lists: &[
            list("static_clusters", "StaticCluster", "/cluster/name", STATIC, CLUSTER),
            list("dynamic_active_clusters", "DynamicCluster", "/cluster/name", DYNAMIC, CLUSTER),
            list("dynamic_warming_clusters", "DynamicCluster", "/cluster/name", DYNAMIC, CLUSTER),
        ],
    },
    Section {
        name: "EndpointsConfigDump",
        singular: &[],
        lists: &[
            list("static_endpoint_configs", "StaticEndpointConfig", "/endpoint_config/cluster_name", STATIC, ENDPOINTS),
            list(
                "dynamic_endpoint_configs",
                "DynamicEndpointConfig",
                "/endpoint_config/cluster_name",
                DYNAMIC,
                ENDPOINTS,
            ),
        ],
    },
    Section {
        name: "ListenersConfigDump",
        singular: &["version_info"],
        lists: &[
            list("static_listeners", "StaticListener", "/listener/name", &["listener", "last_updated"], None),
            list(
                "dynamic_listeners",
                "DynamicListener",
                "/name",
                &["name", "active_state", "warming_state", "draining_state", "error_state", "client_status"],
                None,
            ),
        ],
    },
    Section {
        name: "ScopedRoutesConfigDump",
        singular: &[],
        lists: &[
            list("inline_scoped_route_configs", "InlineScopedRouteConfigs", "/name", &["name", "last_updated"], None),
            list("dynamic_scoped_route_configs", "DynamicScopedRouteConfigs", "/name", &["name", "last_updated"], None),
        ],
    },
    Section {
        name: "RoutesConfigDump",
        singular: &[],
        lists: &[
            list("static_route_configs", "StaticRouteConfig", "/route_config/name", STATIC, ROUTE),
            list("dynamic_route_configs", "DynamicRouteConfig", "/route_config/name", DYNAMIC, ROUTE),
        ],
    },
    Section {
        name: "SecretsConfigDump",
        singular: &[],
        lists: &[
            list("static_secrets", "StaticSecret", "/name", SECRET, None),
            list("dynamic_active_secrets", "DynamicSecret", "/name", SECRET, None),
            list("dynamic_warming_secrets", "DynamicSecret", "/name", SECRET, None),
        ],
    },
];

/// The section of a message's `@type`.
pub(super) fn section(type_url: &str) -> Option<&'static Section> {
    let name = type_url.strip_prefix(PREFIX)?;
    SECTIONS.iter().find(|section| section.name == name)
}
