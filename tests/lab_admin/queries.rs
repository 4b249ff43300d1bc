//! What Envoy 1.40.0 answered to queries of its admin interface, against what the lab makes of the same configuration.
//!
//! `queries.jsonl`: 112 queries on a client's proxy with status, content type, size, shape and, where it is short, the text;
//! `client.config_dump.json`: `GET /config_dump?include_eds` of such a proxy, with the list of compiled-in extensions cut to
//! three. Recorded on loopback with everything configured as istiod does.

use std::collections::BTreeMap;

use kubectl_mtls::lab::admin::{Reply, clusters, dump, stats};
use kubectl_mtls::lab::kube_api::query::Query;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    query: String,
    status: u16,
    content_type: String,
    bytes: usize,
    #[serde(default)]
    shape: Option<Value>,
    #[serde(default)]
    text: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    let lines = include_str!("queries.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sections() -> Vec<Value> {
    let dump: Value = serde_json::from_str(include_str!("client.config_dump.json")).unwrap();
    dump["configs"].as_array().unwrap().clone()
}

fn ask(query: &str) -> Reply {
    let (_, query) = query.split_once('?').unwrap_or((query, ""));
    dump::reply(&sections(), &Query::parse(Some(query)))
}

/// Each field by its name and what it is; texts only by being there, for times and versions differ.
fn shape(value: &Value) -> Value {
    let of = |field: &Value| match field {
        Value::Array(list) => Value::from(format!("list[{}]", list.len())),
        Value::Object(_) => Value::from("object"),
        _ => Value::from("scalar"),
    };
    let configs = value["configs"].as_array().into_iter().flatten();
    let message = |config: &Value| {
        let fields = config.as_object().unwrap().iter();
        Value::Object(
            fields.map(|(key, field)| (key.clone(), if key == "@type" { field.clone() } else { of(field) })).collect(),
        )
    };
    configs.map(message).collect()
}

/// The recorded shapes say `list[3]` and `object`, and the text itself where there is one.
fn expected(shape: &Value) -> Value {
    let configs = shape["configs"].as_array().into_iter().flatten();
    let word = |field: &Value| match field.as_str() {
        Some(text) if text == "object" || text.starts_with("list[") => field.clone(),
        _ => Value::from("scalar"),
    };
    let message = |config: &Value| {
        let fields = config.as_object().unwrap().iter();
        Value::Object(
            fields
                .map(|(key, field)| (key.clone(), if key == "@type" { field.clone() } else { word(field) }))
                .collect(),
        )
    };
    configs.map(message).collect()
}

#[test]
fn every_recorded_query_of_the_dump_has_the_recorded_status_and_shape() {
    let mut asked = 0;
    for row in
        recorded().into_iter().filter(|row| row.query.starts_with("/config_dump") && row.query != "/config_dump/")
    {
        asked += 1;
        let reply = ask(&row.query);
        assert_eq!(
            (reply.status.as_u16(), reply.content_type),
            (row.status, row.content_type.as_str()),
            "{}",
            row.query
        );
        match row.shape {
            Some(recorded) => {
                let told: Value = serde_json::from_str(&reply.body).unwrap();
                assert_eq!(shape(&told), expected(&recorded), "{}", row.query);
            }
            // Protobuf varies its debug text on purpose; Envoy's own part is the same.
            None if row.query.contains("resource=") && row.query.contains("mask=") => {
                let end = |text: &str| text.trim_end().rsplit('\n').next().unwrap_or_default().trim().to_owned();
                assert_eq!(end(&reply.body), end(&row.text.unwrap()), "{}", row.query);
            }
            None => assert_eq!(Some(reply.body), row.text, "{}", row.query),
        }
    }
    assert_eq!(asked, 82);
}

/// To the last blank: what names no address and no time is the same in both recordings.
#[test]
fn short_answers_are_the_recorded_ones() {
    let same = |text: &str| !text.contains("127.0.") && !text.contains("last_updated");
    let mut compared = 0;
    for row in recorded().into_iter().filter(|row| row.query.starts_with("/config_dump?") && row.status == 200) {
        let Some(text) = row.text.filter(|text| same(text) && !row.query.contains("bootstrap")) else { continue };
        assert_eq!((ask(&row.query).body, text.len()), (text, row.bytes), "{}", row.query);
        compared += 1;
    }
    assert_eq!(compared, 14);
}

#[test]
fn statistics_are_refused_in_the_recorded_words() {
    for row in recorded().into_iter().filter(|row| row.query.starts_with("/stats?") && row.status == 400) {
        let query = Query::parse(row.query.split_once('?').map(|(_, query)| query));
        let reply = stats::write(BTreeMap::new(), query.first("format"), &query);
        let told = (reply.status.as_u16(), reply.content_type, Some(reply.body));
        assert_eq!(told, (row.status, row.content_type.as_str(), row.text), "{}", row.query);
    }
}

#[test]
fn clusters_of_an_unknown_format_are_text_and_empty_statistics_are_empty() {
    let query = |text| Query::parse(Some(text));
    let nothing = clusters::write(&[], &query("format=nonsense"));
    assert_eq!((nothing.content_type, nothing.body.as_str()), ("text/plain; charset=UTF-8", ""));
    let json = clusters::write(&[], &query("format=json"));
    assert_eq!((json.content_type, json.body.as_str()), ("application/json", "{\n \"cluster_statuses\": []\n}\n"));
}
