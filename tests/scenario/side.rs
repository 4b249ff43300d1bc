//! What a row may say about its two ends.

use anyhow::{Context as _, Result, bail, ensure};

use crate::scenario::row::Name;

/// `no-proxy`, `auto mTLS`, `auto plaintext`, `auto mixed`, or `MODE by RULE`; a reason may follow `auto` as well.
pub(crate) fn client_side(text: &str) -> Result<String> {
    if text == "no-proxy" {
        return Ok(text.to_owned());
    }
    let (said, by) = text.split_once(" by ").map_or((text, None), |(said, by)| (said, Some(by)));
    match (said, by) {
        ("auto mTLS" | "auto plaintext" | "auto mixed", by) => by.map_or(Ok(()), decider)?,
        ("DISABLE" | "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL", Some(by)) => {
            ensure!(by.contains("dr/"), "`{text}`: only a DestinationRule sets this mode; write dr/NAME.NAMESPACE");
            decider(by)?;
        }
        ("DISABLE" | "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL", None) => bail!("`{text}`: say by which rule"),
        _ => bail!(
            "`{text}` is nothing a client is told; write no-proxy, auto mTLS, auto plaintext, auto mixed, or DISABLE, \
             SIMPLE, MUTUAL, ISTIO_MUTUAL by dr/NAME.NAMESPACE"
        ),
    }
    Ok(text.to_owned())
}

/// `no-proxy` or `MODE by DECIDER`, with the workload in front where endpoints differ.
pub(crate) fn server_side(text: &str) -> Result<(Option<String>, String)> {
    let first = text.split(' ').next().unwrap_or_default();
    let modes = ["STRICT", "PERMISSIVE", "DISABLE", "no-proxy"];
    let (workload, side) = match text.split_once(' ') {
        Some((workload, side)) if !modes.contains(&first) => (Some(workload.to_owned()), side),
        _ => (None, text),
    };
    match side.split_once(" by ") {
        None => ensure!(side == "no-proxy", "`{text}`: write no-proxy, or STRICT, PERMISSIVE, DISABLE and by what"),
        Some((mode, by)) => {
            ensure!(modes.contains(&mode), "`{mode}` is no mode; write STRICT, PERMISSIVE, DISABLE or no-proxy");
            decider(by)?;
        }
    }
    Ok((workload, side.to_owned()))
}

/// `default`, `mesh pa/N.NS`, `namespace pa/N.NS`, `workload pa/N.NS`, `port 80 of pa/N.NS`, `dr/N.NS`, `port 8000 of dr/N.NS`,
/// or another object of the tool's table.
fn decider(text: &str) -> Result<()> {
    if matches!(text, "default" | "meshconfig" | "passthrough") {
        return Ok(());
    }
    let words = text.split(' ').collect::<Vec<_>>();
    let object = match words.as_slice() {
        ["mesh" | "namespace" | "workload", object] if object.starts_with("pa/") => object,
        ["port", port, "of", object] if port.parse::<u16>().is_ok() => object,
        [object] if !object.starts_with("pa/") => object,
        _ => bail!(
            "`{text}`: say the layer: mesh, namespace or workload pa/NAME.NAMESPACE, or port 80 of pa/NAME.NAMESPACE"
        ),
    };
    let (kind, name) = object.split_once('/').with_context(|| format!("`{object}`: write pa/NAME.NAMESPACE"))?;
    ensure!(
        ["pa", "dr", "sidecar", "svc", "se", "we", "po"].contains(&kind),
        "`{kind}` is no kind that decides; write pa, dr, sidecar, svc, se, we or po"
    );
    Name::parse(name).map(|_| ())
}
