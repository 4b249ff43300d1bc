//! `/config_dump`: sections, or the elements of one list, by name and by mask.
//!
//! Envoy: `source/server/admin/config_dump_handler.cc`, and what Envoy 1.40 answered to a hundred queries.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::lab::admin::schema::{self, List, PREFIX, Section};
use crate::lab::admin::{PLAIN, Reply, mask, regex};
use crate::lab::kube_api::query::Query;

/// Answers a query over sections as they are in a full dump, endpoints included.
#[must_use]
pub fn reply(sections: &[Value], query: &Query) -> Reply {
    let name_regex = query.first("name_regex");
    // Envoy asks for a match of the whole name.
    let whole = format!("^(?:{name_regex})$");
    let names = match regex(name_regex).and_then(|_| regex(&whole)) {
        Ok(names) => (!name_regex.is_empty()).then_some(names),
        Err(complaint) => {
            let text = format!("INVALID_ARGUMENT: Error while parsing name_regex from {name_regex}: {complaint}");
            return Reply::refused(StatusCode::BAD_REQUEST, PLAIN, text);
        }
    };
    // By presence: `include_eds=false` includes them as well.
    let endpoints = query.all("include_eds").next().is_some();
    let sections = sections.iter().filter_map(|section| {
        let message = section.as_object()?;
        let of = schema::section(message.get("@type")?.as_str()?)?;
        (endpoints || of.name != "EndpointsConfigDump").then(|| (of, named(message, of, names.as_ref())))
    });
    let sections: Vec<_> = sections.collect();
    let configs = match (query.first("resource"), query.first("mask")) {
        ("", "") => Ok(sections.into_iter().map(|(_, message)| message).collect()),
        ("", mask) => masked(&sections, mask),
        (resource, mask) => elements(&sections, resource, mask, endpoints),
    };
    match configs {
        Ok(configs) => Reply::json(&dumped(configs)),
        Err(refused) => refused,
    }
}

/// Nothing at all is `{}`, without the key.
fn dumped(configs: Vec<Map<String, Value>>) -> Value {
    let configs: Vec<Value> = configs.into_iter().map(Value::Object).collect();
    if configs.is_empty() { json!({}) } else { json!({ "configs": configs }) }
}

/// A section with only the elements that have the name; a list without elements has no key.
fn named(message: &Map<String, Value>, of: &Section, names: Option<&regex::Regex>) -> Map<String, Value> {
    let Some(names) = names else { return message.clone() };
    let mut message = message.clone();
    for list in of.lists {
        let Some(Value::Array(elements)) = message.get_mut(list.field) else { continue };
        elements.retain(|element| {
            let name = element.pointer(list.name).and_then(Value::as_str);
            names.is_match(name.unwrap_or_default())
        });
        if elements.is_empty() {
            message.shift_remove(list.field);
        }
    }
    message
}

type Found = (&'static Section, Map<String, Value>);

/// The sections that the mask fits, each cut to it.
fn masked(sections: &[Found], mask: &str) -> Result<Vec<Map<String, Value>>, Reply> {
    let fit: Vec<_> = sections.iter().filter_map(|(of, message)| mask::section(message, of, mask).ok()).collect();
    if fit.is_empty() {
        let text = format!("FieldMask {mask} could not be successfully applied to any configs.");
        return Err(Reply::refused(StatusCode::BAD_REQUEST, PLAIN, text));
    }
    Ok(fit)
}

/// The elements of one list, each a message of its own.
fn elements(sections: &[Found], resource: &str, mask: &str, endpoints: bool) -> Result<Vec<Map<String, Value>>, Reply> {
    let served = schema::SECTIONS.iter().filter(|section| endpoints || section.name != "EndpointsConfigDump");
    let mut lists = served.clone().flat_map(|of| of.lists.iter().map(move |list| (of, list)));
    let Some((of, list)) = lists.find(|(_, list)| list.field == resource) else {
        let text = if served.flat_map(|section| section.singular).any(|field| *field == resource) {
            let text = format!("{resource} is not a repeated field. Use ?mask={resource} to get only this field");
            return Err(Reply::refused(StatusCode::BAD_REQUEST, PLAIN, text));
        } else {
            format!("{resource} not found in config dump")
        };
        return Err(Reply::refused(StatusCode::NOT_FOUND, PLAIN, text));
    };
    let found = sections.iter().filter(|(section, _)| section.name == of.name);
    let found = found.filter_map(|(_, message)| message.get(list.field)?.as_array()).flatten();
    found.filter_map(Value::as_object).map(|element| packed(element, of, list, mask)).collect()
}

fn packed(element: &Map<String, Value>, of: &Section, list: &List, mask: &str) -> Result<Map<String, Value>, Reply> {
    let mut message = Map::new();
    message.insert("@type".to_owned(), Value::from(format!("{PREFIX}{}.{}", of.name, list.element)));
    let kept = if mask.is_empty() { Ok(element.clone()) } else { mask::element(element, list, mask) };
    let kept = kept.map_err(|mask::Unusable| {
        let paths = mask.split(',').map(|path| format!("paths: \"{path}\"\n")).collect::<Vec<_>>().concat();
        let text = format!("FieldMask goo.gle/debugproto    \n{paths} could not be successfully used.");
        Reply::refused(StatusCode::BAD_REQUEST, PLAIN, text)
    })?;
    message.extend(kept);
    Ok(message)
}
