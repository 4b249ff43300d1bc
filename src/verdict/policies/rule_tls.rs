//! TLS that a DestinationRule loses: to a port entry without it, or to a narrower rule without it; subsets nobody is in.
//!
//! Istio: `pilot/pkg/networking/util/util.go:GetPortLevelTrafficPolicy` (an entry replaces the top level wholesale),
//! `pilot/pkg/model/config.go:MostSpecificHostMatch` (one rule counts, nothing is combined).

use std::sync::Arc;

use crate::intent::registry::Svc;
use crate::model::meta::selects;
use crate::model::policy::{DestinationRule, TrafficPolicy};
use crate::model::port::ServicePort;
use crate::model::tls::{ClientTlsMode, ClientTlsSettings};
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, rule_ref};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    for rule in view.destination_rules() {
        let services = view.services_of(rule);
        if services.is_empty() {
            continue;
        }
        found.extend(dropped(view, rule, &services));
        found.extend(of_no_port(view, rule, &services));
        found.extend(hidden(view, rule, &services));
        found.extend(of_nobody(view, rule, &services));
    }
}

/// Whether it makes a difference that a rule's TLS does not count: automatic mutual TLS is what `ISTIO_MUTUAL` asks for.
pub(super) fn matters(view: &View<'_, '_>, tls: &ClientTlsSettings) -> bool {
    tls.mode != ClientTlsMode::IstioMutual || !view.plane.profile.config.auto_mtls
}

fn has_port(services: &[Arc<Svc<'_>>], port: ServicePort) -> bool {
    services.iter().any(|svc| svc.port(port).is_some())
}

/// The traffic policies of a rule with their paths.
fn policies(rule: &DestinationRule) -> impl Iterator<Item = (String, &TrafficPolicy)> {
    let top = rule.traffic_policy.as_ref().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    let subsets = rule.subsets.iter().enumerate().filter_map(|(index, subset)| {
        Some((format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()?))
    });
    top.into_iter().chain(subsets)
}

/// Entries without `tls` beside `tls` for all ports.
///
/// With DISABLE it makes no difference: endpoints stay unmarked by the top level (`mtls_checker.go:tlsModeForDestinationRule`).
fn dropped<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, services: &[Arc<Svc<'s>>]) -> Option<Told<'s>> {
    let top = rule.traffic_policy.as_ref().and_then(|policy| policy.settings.tls.as_ref());
    for (path, policy) in policies(rule) {
        let said = policy.settings.tls.as_ref().or(top);
        let counts = |tls: &&ClientTlsSettings| tls.mode != ClientTlsMode::Disable && matters(view, tls);
        let Some(tls) = said.filter(counts) else { continue };
        let bare: Vec<(usize, ServicePort)> = policy
            .ports
            .iter()
            .enumerate()
            .filter(|(_, (port, settings))| settings.tls.is_none() && has_port(services, *port))
            .map(|(index, (port, _))| (index, *port))
            .collect();
        let Some((index, _)) = bare.first() else { continue };
        let object = rule_ref(rule, format!("{path}.portLevelSettings[{index}]"));
        let ports = bare.iter().map(|(_, port)| port.to_string()).collect::<Vec<_>>().join(", ");
        let title = format!(
            "{}: the entry of port {ports} has no tls and replaces tls {} whole, which does not count there",
            object.short(),
            tls.mode
        );
        let about = view.about_rule(rule);
        return Some(Told { fault: Fault::PortEntryDropsTls, object, others: Vec::new(), title, about });
    }
    None
}

/// Entries for ports that no service of the host has: mostly the container's port.
fn of_no_port<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, services: &[Arc<Svc<'s>>]) -> Option<Told<'s>> {
    let stray = |policy: &TrafficPolicy| {
        policy
            .ports
            .iter()
            .position(|(port, _)| !has_port(services, *port))
            .zip(policy.ports.iter().find(|(port, _)| !has_port(services, *port)).map(|(port, _)| *port))
    };
    let (path, (index, port)) = policies(rule).find_map(|(path, policy)| Some((path, stray(policy)?)))?;
    let object = rule_ref(rule, format!("{path}.portLevelSettings[{index}]"));
    let svc = services.first()?;
    let ports = svc.ports.iter().map(|port| port.port.to_string()).collect::<Vec<_>>().join(", ");
    let title = format!(
        "{}: portLevelSettings counts the Service's ports, and {} has no port {port}, only {ports}",
        object.short(),
        svc.host
    );
    Some(Told { fault: Fault::PortEntryOfNoPort, object, others: Vec::new(), title, about: view.about_rule(rule) })
}

/// A rule that says nothing of TLS, in whose place a wider one would count that does.
fn hidden<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, services: &[Arc<Svc<'s>>]) -> Option<Told<'s>> {
    if says_anything(rule) || rule.workload_selector.is_some() {
        return None;
    }
    for svc in services {
        for wide in view.plane.destination_rules.covering(&svc.host).filter(|wide| !std::ptr::eq(*wide, rule)) {
            let Some(tls) = wide.traffic_policy.as_ref().and_then(|policy| policy.settings.tls.as_ref()) else {
                continue;
            };
            if !matters(view, tls) || view.full_host(wide) == view.full_host(rule) {
                continue;
            }
            if view.loses(wide, rule, svc) {
                let object = rule_ref(rule, "spec.trafficPolicy");
                let title = format!(
                    "{} says nothing of tls and takes the place of {}: its tls {} does not count for {}",
                    object.short(),
                    rule_ref(wide, "").short(),
                    tls.mode,
                    svc.host
                );
                let others = vec![rule_ref(wide, "spec.trafficPolicy.tls.mode")];
                return Some(Told { fault: Fault::RuleHidesTls, object, others, title, about: view.about_rule(rule) });
            }
        }
    }
    None
}

/// Whether a rule sets TLS anywhere.
pub(super) fn says_anything(rule: &DestinationRule) -> bool {
    policies(rule).any(|(_, policy)| says_tls(policy))
}

fn says_tls(policy: &TrafficPolicy) -> bool {
    policy.settings.tls.is_some() || policy.ports.iter().any(|(_, settings)| settings.tls.is_some())
}

/// Subsets with TLS of their own whose labels fit no endpoint.
fn of_nobody<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, services: &[Arc<Svc<'s>>]) -> Option<Told<'s>> {
    let endpoints: Vec<_> = services.iter().flat_map(|svc| view.mesh.endpoints_of(svc).iter().flatten()).collect();
    if endpoints.is_empty() || !services.iter().all(|svc| view.known.pods(svc.namespace())) {
        return None;
    }
    let empty: Vec<(usize, &str)> = rule
        .subsets
        .iter()
        .enumerate()
        .filter(|(_, subset)| subset.traffic_policy.as_ref().is_some_and(says_tls))
        .filter(|(_, subset)| !endpoints.iter().any(|endpoint| selects(&subset.labels, &endpoint.labels)))
        .map(|(index, subset)| (index, subset.name.as_str()))
        .collect();
    let (index, _) = empty.first()?;
    let object = rule_ref(rule, format!("spec.subsets[{index}].labels"));
    let names = empty.iter().map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let title = format!("{}: no endpoint is in subset {names}, which has tls of its own", object.short());
    Some(Told { fault: Fault::SubsetOfNobody, object, others: Vec::new(), title, about: About::Nobody })
}
