"""Trims Istio's CRDs to what `schema` reads: python3 from_crds.py < crd-all.gen.yaml > crds.json

Input: `manifests/charts/base/files/crd-all.gen.yaml` of the Go module istio.io/istio v0.0.0-20260827124520-eed52ebb66ad. Descriptions, statuses and the rules in CEL are left out;
the latter are written in `rules.rs`, except the one for durations, which becomes `"duration": true`.
"""

import json
import sys

import yaml

KINDS = [
    "AuthorizationPolicy",
    "DestinationRule",
    "Gateway",
    "PeerAuthentication",
    "RequestAuthentication",
    "ServiceEntry",
    "Sidecar",
    "VirtualService",
    "WorkloadEntry",
]
KEPT = ["type", "enum", "required", "nullable", "minimum", "maximum", "minLength", "maxLength"]
KEPT += ["minItems", "maxItems", "minProperties", "maxProperties"]


def exclusive(node):
    """Fields of which at most one may be set: how protobuf's `oneof` looks in a CRD."""
    groups = []
    for part in [node, *node.get("allOf", [])]:
        group = [option["required"][0] for option in part.get("oneOf", []) if "required" in option]
        if len(group) > 1:
            groups.append(group)
    return groups


def trim(node):
    kept = {key: node[key] for key in KEPT if key in node}
    if node.get("x-kubernetes-int-or-string"):
        kept["type"] = "int-or-string"
    if node.get("x-kubernetes-preserve-unknown-fields"):
        kept["open"] = True
    if groups := exclusive(node):
        kept["exclusive"] = groups
    if any("duration(self)" in rule["rule"] for rule in node.get("x-kubernetes-validations", [])):
        kept["duration"] = True
    if "properties" in node:
        kept["properties"] = {name: trim(child) for name, child in node["properties"].items()}
    if isinstance(node.get("items"), dict):
        kept["items"] = trim(node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        kept["values"] = trim(node["additionalProperties"])
    return kept


crds = {}
for document in yaml.safe_load_all(sys.stdin):
    spec = document and document["spec"]
    if spec and spec["names"]["kind"] in KINDS:
        # Every served version has the same schema.
        schemas = [version["schema"]["openAPIV3Schema"] for version in spec["versions"]]
        assert all(schema == schemas[0] for schema in schemas)
        crds[spec["names"]["kind"]] = {
            "group": spec["group"],
            "versions": [version["name"] for version in spec["versions"] if version["served"]],
            "specRequired": "spec" in schemas[0].get("required", []),
            "spec": trim(schemas[0]["properties"]["spec"]),
        }
lines = [f"  {json.dumps(kind)}: {json.dumps(crds[kind], separators=(',', ':'))}" for kind in KINDS]
print("{\n" + ",\n".join(lines) + "\n}")
