#!/usr/bin/env python3
"""Cuts recorded config_dumps down to what the tests read: reduce.py SOURCE_DIRECTORY.

Kept are whole elements, as Envoy wrote them: clusters, endpoints and routes of httpbin and the pass-through clusters, the
listeners that lead to them, virtualInbound, virtualOutbound, secrets (their keys are redacted by Envoy). Left out are other
services, access logs, tracing, the bootstrap but for the node's name and version, and whatever holds an environment.
"""
import base64
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
NOISE = {"access_log", "tracing", "upgrade_configs", "request_id_extension", "circuit_breakers", "sds_config"}
NAMES = ("httpbin", "PassthroughCluster", "BlackHoleCluster", "inbound|")


def quiet(value):
    if isinstance(value, dict):
        if len(value.get("inline_bytes", "")) > 10_000:
            # The system's bundle: its first two roots stand for all.
            end = "-----END CERTIFICATE-----\n"
            two = end.join(base64.b64decode(value["inline_bytes"]).decode().split(end)[:2]) + end
            value = {"inline_bytes": base64.b64encode(two.encode()).decode()}
        return {key: quiet(one) for key, one in value.items() if key not in NOISE}
    return [quiet(one) for one in value] if isinstance(value, list) else value


def name_of(section, element):
    if "listener" in section:
        return element.get("name", element.get("listener", {}).get("name", ""))
    for key in ("cluster", "route_config", "endpoint_config"):
        if key in element:
            return element[key].get("name", element[key].get("cluster_name", ""))
    return element.get("name", "")


def wanted(section, element):
    name = name_of(section, element)
    if "secret" in section or "error_state" in element:
        return True
    if "listener" in section:
        return name.startswith("virtual") or name.endswith(("_8000", "_8443")) or "inbound" in json.dumps(element)
    if "route" in section:
        return name.startswith(("8000", "httpbin", "https.443"))
    return any(part in name for part in NAMES)


def reduced(dump):
    configs = []
    for config in dump["configs"]:
        if "bootstrap" in config:
            node = config["bootstrap"]["node"]
            version = node.get("metadata", {}).get("ISTIO_VERSION")
            metadata = {"ISTIO_VERSION": version} if version else {}
            configs.append({"@type": config["@type"], "bootstrap": {"node": {"id": node["id"], "metadata": metadata}}})
            continue
        kept = {}
        for key, value in config.items():
            kept[key] = [quiet(e) for e in value if wanted(key, e)] if isinstance(value, list) else value
        configs.append({key: value for key, value in kept.items() if value != []})
    return {"configs": configs}


def bare(item):
    """A Kubernetes object as far as the rules read it."""
    meta = item["metadata"]
    for key in ("managedFields", "uid", "resourceVersion", "selfLink", "generation"):
        meta.pop(key, None)
    meta.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    if item["kind"] == "Pod":
        spec = item["spec"]
        kept = ("name", "image", "ports", "restartPolicy", "securityContext")
        containers = {
            key: [{k: v for k, v in c.items() if k in kept} for c in spec.get(key, [])]
            for key in ("containers", "initContainers")
        }
        item["spec"] = {"serviceAccountName": spec.get("serviceAccountName", "default"), **containers}
        status = item.get("status", {})
        item["status"] = {k: status[k] for k in ("phase", "podIP", "podIPs", "conditions") if k in status}
    return item


def main(source):
    import yaml

    for path in sorted((source / "cluster").glob("*.config_dump.json")):
        if "stock" in path.name:
            continue
        dump = reduced(json.loads(path.read_text()))
        (HERE / "cluster" / path.name).write_text(json.dumps(dump, separators=(",", ":")) + "\n")
    for path in sorted((source / "cluster").glob("*.objects.yaml")):
        items = [bare(item) for item in yaml.safe_load(path.read_text())["items"]]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, separators=(",", ":"), default=str)
        (HERE / "cluster" / path.name.replace(".yaml", ".json")).write_text(text + "\n")
    for path in sorted(source.glob("*-config_dump.json")):
        dump = reduced(json.loads(path.read_text()))
        (HERE / "envoy" / path.name).write_text(json.dumps(dump, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
