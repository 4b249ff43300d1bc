//! Bodies in Kubernetes' protobuf, which `kubectl create` and `kubectl auth can-i` send.
//!
//! Only requests are read, and only the kinds that kubectl makes itself; answers are JSON, which it takes as well.
//! Envelope: Kubernetes `apimachinery/pkg/runtime/serializer/protobuf/doc.go`; field numbers: `api/*/generated.proto`.

use serde_json::{Map, Value, json};

use crate::lab::kube_api::status::Refusal;

/// Begins every body.
const MAGIC: &[u8] = b"k8s\0";

/// A field of a message: number, name, type.
type Field = (u64, &'static str, Type);

/// How a field is encoded.
#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Texts,
    Number,
    Flag,
    /// Text by text.
    Labels,
    One(&'static [Field]),
    Many(&'static [Field]),
    /// A number or a name.
    Port,
}

/// The value of a field as it is on the wire.
#[derive(Debug, Clone, Copy)]
enum Raw<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

const UNKNOWN: &[Field] = &[(1, "typeMeta", Type::One(&[(1, "apiVersion", Type::Text), (2, "kind", Type::Text)]))];
const METADATA: &[Field] = &[
    (1, "name", Type::Text),
    (2, "generateName", Type::Text),
    (3, "namespace", Type::Text),
    (6, "resourceVersion", Type::Text),
    (11, "labels", Type::Labels),
    (12, "annotations", Type::Labels),
    (14, "finalizers", Type::Texts),
];
const META: Field = (1, "metadata", Type::One(METADATA));
const ATTRIBUTES: &[Field] = &[
    (1, "namespace", Type::Text),
    (2, "verb", Type::Text),
    (3, "group", Type::Text),
    (4, "version", Type::Text),
    (5, "resource", Type::Text),
    (6, "subresource", Type::Text),
    (7, "name", Type::Text),
];
const ACCESS: &[Field] = &[
    (1, "resourceAttributes", Type::One(ATTRIBUTES)),
    (2, "nonResourceAttributes", Type::One(&[(1, "path", Type::Text), (2, "verb", Type::Text)])),
];
const CONTAINER: &[Field] = &[
    (1, "name", Type::Text),
    (2, "image", Type::Text),
    (3, "command", Type::Texts),
    (4, "args", Type::Texts),
    (
        6,
        "ports",
        Type::Many(&[(1, "name", Type::Text), (3, "containerPort", Type::Number), (4, "protocol", Type::Text)]),
    ),
];
const POD: &[Field] =
    &[(2, "containers", Type::Many(CONTAINER)), (8, "serviceAccountName", Type::Text), (11, "hostNetwork", Type::Flag)];
const DEPLOYMENT: &[Field] = &[
    (1, "replicas", Type::Number),
    (2, "selector", Type::One(&[(1, "matchLabels", Type::Labels)])),
    (3, "template", Type::One(&[META, (2, "spec", Type::One(POD))])),
];
const SERVICE_PORT: &[Field] = &[
    (1, "name", Type::Text),
    (2, "protocol", Type::Text),
    (3, "port", Type::Number),
    (4, "targetPort", Type::Port),
    (6, "appProtocol", Type::Text),
];
const SERVICE: &[Field] = &[
    (1, "ports", Type::Many(SERVICE_PORT)),
    (2, "selector", Type::Labels),
    (3, "clusterIP", Type::Text),
    (4, "type", Type::Text),
    (10, "externalName", Type::Text),
];

/// The message of a kind, where it is known here.
fn message(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" | "ServiceAccount" => &[META],
        "ConfigMap" => &[META, (2, "data", Type::Labels)],
        "SelfSubjectAccessReview" => &[META, (2, "spec", Type::One(ACCESS))],
        "SelfSubjectRulesReview" => &[META, (2, "spec", Type::One(&[(1, "namespace", Type::Text)]))],
        "Deployment" => &[META, (2, "spec", Type::One(DEPLOYMENT))],
        "Service" => &[META, (2, "spec", Type::One(SERVICE))],
        "DeleteOptions" => &[(4, "propagationPolicy", Type::Text), (5, "dryRun", Type::Texts)],
        _ => return None,
    })
}

/// Reads a body.
pub fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    let broken = || Refusal::bad_request("the body of the request is not the protobuf of an object");
    let envelope = bytes.strip_prefix(MAGIC).ok_or_else(broken)?;
    let types = object(envelope, UNKNOWN).ok_or_else(broken)?;
    let text = |field: &str| types.pointer(&format!("/typeMeta/{field}")).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let fields =
        message(kind).ok_or_else(|| Refusal::unsupported_media_type(&["application/json", "application/yaml"]))?;
    let raw = entries(envelope).ok_or_else(broken)?;
    let body = raw.iter().find_map(|(number, raw)| match raw {
        Raw::Bytes(bytes) if *number == 2 => Some(*bytes),
        _ => None,
    });
    let mut read = object(body.unwrap_or_default(), fields).ok_or_else(broken)?;
    if let Some(map) = read.as_object_mut() {
        map.insert("apiVersion".to_owned(), api_version.into());
        map.insert("kind".to_owned(), kind.into());
    }
    Ok(read)
}

/// A message as an object. Unknown fields are left out, and so are empty texts, which Go writes for "not set".
fn object(bytes: &[u8], fields: &[Field]) -> Option<Value> {
    let mut read = Map::new();
    for (number, raw) in entries(bytes)? {
        let Some((_, name, kind)) = fields.iter().find(|(known, ..)| *known == number) else { continue };
        let value = match (kind, raw) {
            (Type::Text, Raw::Bytes([])) => continue,
            (Type::Text | Type::Texts, Raw::Bytes(bytes)) => json!(text(bytes)?),
            // Numbers here are 32 bits wide at most; a negative one is none that can be meant.
            (Type::Number, Raw::Number(number)) => json!(u32::try_from(number).ok()?),
            (Type::Flag, Raw::Number(number)) => json!(number != 0),
            (Type::Labels, Raw::Bytes(bytes)) => object(bytes, &[(1, "key", Type::Text), (2, "value", Type::Text)])?,
            (Type::One(fields) | Type::Many(fields), Raw::Bytes(bytes)) => object(bytes, fields)?,
            (Type::Port, Raw::Bytes(bytes)) => port(bytes)?,
            _ => return None,
        };
        add(&mut read, name, *kind, value);
    }
    Some(Value::Object(read))
}

fn add(read: &mut Map<String, Value>, name: &str, kind: Type, value: Value) {
    match kind {
        Type::Texts | Type::Many(_) => {
            if let Some(items) = read.entry(name).or_insert_with(|| json!([])).as_array_mut() {
                items.push(value);
            }
        }
        Type::Labels => {
            let part = |part: &str| value.get(part).and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(map) = read.entry(name).or_insert_with(|| json!({})).as_object_mut() {
                map.insert(part("key"), part("value").into());
            }
        }
        Type::Text | Type::Number | Type::Flag | Type::One(_) | Type::Port => {
            read.insert(name.to_owned(), value);
        }
    }
}

/// `IntOrString`: 0 says that it is the number.
fn port(bytes: &[u8]) -> Option<Value> {
    let parts = object(bytes, &[(1, "type", Type::Number), (2, "number", Type::Number), (3, "name", Type::Text)])?;
    let part = |part: &str| parts.get(part).cloned();
    if part("type") == Some(json!(1)) { part("name") } else { part("number") }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The fields of a message in order; `None` where it is cut off or not one.
fn entries(mut bytes: &[u8]) -> Option<Vec<(u64, Raw<'_>)>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        let (raw, rest) = match tag & 7 {
            0 => {
                let (number, rest) = varint(rest)?;
                (Raw::Number(number), rest)
            }
            1 => (Raw::Number(0), rest.get(8..)?),
            2 => {
                let (length, rest) = varint(rest)?;
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Raw::Bytes(value), rest)
            }
            5 => (Raw::Number(0), rest.get(4..)?),
            _ => return None,
        };
        entries.push((tag >> 3, raw));
        bytes = rest;
    }
    Some(entries)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index).min(63);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    /// What `kubectl create namespace new` of kubectl 1.32.4 sent.
    #[test]
    fn a_namespace_is_read_as_kubectl_sends_it() {
        let mut body = b"k8s\0".to_vec();
        body.extend(b"\x0a\x0f\x0a\x02v1\x12\x09Namespace");
        body.extend(b"\x12\x1b\x0a\x13\x0a\x03new\x12\0\x1a\0\"\0*\x002\x008\0B\0\x12\0\x1a\x02\x0a\0\x1a\0\"\0");
        let expected = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "new" } });
        assert_eq!(parse(&body).unwrap(), expected);
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_refused() {
        for body in
            [&b"k8s\0\x0a\x0f\x0a"[..], b"k8s", b"", b"{}", b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert!(parse(body).is_err(), "{body:?}");
        }
    }
}
