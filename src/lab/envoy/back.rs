//! Loopback addresses back to virtual ones, in whatever Envoy says of itself.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

/// What each socket of the lab stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Back(HashMap<SocketAddr, SocketAddr>);

// === impl Back ===

impl Back {
    pub(super) fn new(pairs: impl IntoIterator<Item = (SocketAddr, SocketAddr)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// What a loopback socket stands for, or itself.
    pub(super) fn of(&self, address: SocketAddr) -> SocketAddr {
        self.0.get(&address).copied().unwrap_or(address)
    }

    /// A body with every address translated: socket addresses in JSON, `ip:port` anywhere.
    pub(super) fn body(&self, body: &[u8]) -> Vec<u8> {
        match serde_json::from_slice::<Value>(body) {
            Ok(mut value) => {
                self.value(&mut value);
                serde_json::to_vec_pretty(&value).unwrap_or_default()
            }
            Err(_) => self.text(&String::from_utf8_lossy(body)).into_bytes(),
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                if let Some(virtual_one) = object.get("socket_address").and_then(|socket| self.socket(socket)) {
                    let shown = json!({ "address": virtual_one.ip(), "port_value": virtual_one.port() });
                    object.insert("socket_address".to_owned(), shown);
                }
                for value in object.values_mut() {
                    self.value(value);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.value(value);
                }
            }
            Value::String(text) => {
                if text.contains("127.0.0.1:") {
                    *text = self.text(text);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn socket(&self, socket: &Value) -> Option<SocketAddr> {
        let ip: IpAddr = socket.get("address")?.as_str()?.parse().ok()?;
        let port = socket.get("port_value")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
        self.0.get(&SocketAddr::new(ip, port)).copied()
    }

    fn text(&self, text: &str) -> String {
        const PREFIX: &str = "127.0.0.1:";
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(PREFIX) {
            let (before, found) = rest.split_at(at);
            out.push_str(before);
            let digits = found.get(PREFIX.len()..).unwrap_or_default();
            let length = PREFIX.len() + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let (address, after) = found.split_at(length);
            match address.parse() {
                Ok(address) => out.push_str(&self.of(address).to_string()),
                Err(_) => out.push_str(address),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Back;

    fn back() -> Back {
        let pair = |a: &str, b: &str| (a.parse().unwrap(), b.parse().unwrap());
        Back::new([pair("127.0.0.1:4000", "10.244.0.7:80"), pair("127.0.0.1:40001", "10.244.0.8:8080")])
    }

    #[test]
    fn text_and_json_say_virtual_addresses() {
        let text =
            b"outbound|80||a::127.0.0.1:4000::cx_total::1\nb::127.0.0.1:40001::x\nc::127.0.0.1:15000::y 127.0.0.1:";
        let expected =
            "outbound|80||a::10.244.0.7:80::cx_total::1\nb::10.244.0.8:8080::x\nc::127.0.0.1:15000::y 127.0.0.1:";
        assert_eq!(String::from_utf8(back().body(text)).unwrap(), expected);
        let json = br#"{"address":{"socket_address":{"address":"127.0.0.1","port_value":4000}},"other":{"socket_address":{"address":"0.0.0.0","port_value":4000}}}"#;
        let got: serde_json::Value = serde_json::from_slice(&back().body(json)).unwrap();
        assert_eq!(got["address"]["socket_address"]["address"], "10.244.0.7");
        assert_eq!(got["address"]["socket_address"]["port_value"], 80);
        assert_eq!(got["other"]["socket_address"]["address"], "0.0.0.0");
    }
}
