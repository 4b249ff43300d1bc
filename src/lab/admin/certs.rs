//! `/certs`: one entry for each TLS context that uses the workload's certificate.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::lab::admin::Reply;
use crate::lab::proxy::Proxy;

pub(super) fn reply(proxy: &Proxy) -> Reply {
    let programmed = proxy.programmed();
    let secrets = programmed.secrets();
    let Some(own) = &secrets.certificate else { return Reply::json(&json!({ "certificates": [] })) };
    let roots: Vec<Value> = details(&secrets.root).into_iter().collect();
    let chain: Vec<Value> = own.cert.first().and_then(details).into_iter().collect();
    let context = json!({ "ca_cert": roots, "cert_chain": chain });
    let contexts: Vec<Value> = std::iter::repeat_n(context, programmed.tls_contexts()).collect();
    Reply::json(&json!({ "certificates": contexts }))
}

/// A certificate in the words of `envoy.admin.v3.CertificateDetails`; `None` where it cannot be read.
#[must_use]
pub fn details(certificate: &CertificateDer<'_>) -> Option<Value> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names: Vec<Value> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(json!({ "uri": uri })),
            GeneralName::DNSName(name) => Some(json!({ "dns": name })),
            _ => None,
        })
        .collect();
    let time = |seconds: i64| Timestamp::from_second(seconds).ok();
    let from = time(certificate.validity().not_before.timestamp())?;
    let until = time(certificate.validity().not_after.timestamp())?;
    let left = until.duration_since(Timestamp::now()).as_hours() / 24;
    Some(json!({
        "path": "<inline>",
        "serial_number": serial(certificate.raw_serial()),
        "subject_alt_names": names,
        "days_until_expiration": left.max(0).to_string(),
        "valid_from": from.to_string(),
        "expiration_time": until.to_string(),
    }))
}

/// Hexadecimal without the zero that keeps the number positive.
fn serial(bytes: &[u8]) -> String {
    let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    text.strip_prefix("00").map_or(text.clone(), str::to_owned)
}
