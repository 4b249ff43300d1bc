//! Meshes as text: block style outside, one line for each small list or mapping, as people write them.

use serde_json::Value;

/// The widest value that is put on one line.
const WIDTH: usize = 150;

/// Several documents.
pub(crate) fn documents(documents: &[Value]) -> String {
    let texts: Vec<String> = documents.iter().map(document).collect();
    texts.join("---\n")
}

fn document(value: &Value) -> String {
    let mut lines = Vec::new();
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| field(&mut lines, 0, key, value)),
        other => lines.push(flow(other)),
    }
    lines.push(String::new());
    lines.join("\n")
}

fn field(lines: &mut Vec<String>, indent: usize, key: &str, value: &Value) {
    let margin = " ".repeat(indent);
    let key = scalar(key);
    let line = flow(value);
    match value {
        Value::Object(fields) if !is_small(value, &line) => {
            lines.push(format!("{margin}{key}:"));
            for (key, value) in fields {
                field(lines, indent + 2, key, value);
            }
        }
        Value::Array(items) if !is_small(value, &line) => {
            lines.push(format!("{margin}{key}:"));
            for item in items {
                element(lines, indent, item);
            }
        }
        _ => lines.push(format!("{margin}{key}: {line}")),
    }
}

fn element(lines: &mut Vec<String>, indent: usize, item: &Value) {
    let margin = " ".repeat(indent);
    let line = flow(item);
    match item {
        Value::Object(fields) if !is_small(item, &line) => {
            let mut inner = Vec::new();
            fields.iter().for_each(|(key, value)| field(&mut inner, indent + 2, key, value));
            if let Some(first) = inner.first_mut() {
                *first = format!("{margin}- {}", first.trim_start());
            }
            lines.extend(inner);
        }
        _ => lines.push(format!("{margin}- {line}")),
    }
}

/// Whether a value stands on one line: short, and holding no list of mappings.
fn is_small(value: &Value, line: &str) -> bool {
    let holds_lists = match value {
        Value::Object(fields) => fields.values().any(|inner| depth(inner) > 1),
        Value::Array(items) => items.iter().any(|inner| depth(inner) > 2),
        _ => false,
    };
    line.len() <= WIDTH && !holds_lists
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{}: {}", scalar(k), flow(v))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Text, quoted where YAML would read something else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let number = text.starts_with('.') && text.len() > 1 && !text.starts_with("./");
    if plain && !word && !number { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}
