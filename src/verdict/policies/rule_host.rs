//! DestinationRules for hosts that no service has.
//!
//! Istio: `pilot/pkg/model/config.go:ResolveShortnameToFQDN`: only a name without dots is completed, and with the rule's own
//! namespace; `pilot/pkg/model/push_context.go:destinationRule` looks rules up by the service's full host.

use crate::intent::host;
use crate::model::policy::DestinationRule;
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, rule_ref};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    for rule in view.destination_rules() {
        if let Some(why) = nothing(view, rule) {
            let object = rule_ref(rule, "spec.host");
            let title = format!("{} does nothing: {why}", object.short());
            found.push(Told {
                fault: Fault::HostNamesNothing,
                object,
                others: Vec::new(),
                title,
                about: About::Nobody,
            });
        }
    }
}

/// Why a rule's host names nothing; `None` where it names something, or where that cannot be told.
fn nothing(view: &View<'_, '_>, rule: &DestinationRule) -> Option<String> {
    let domain = view.plane.profile.config.cluster_domain.as_str();
    let namespace = rule.meta.namespace.as_str();
    let full = host::qualify(&rule.host, namespace, domain);
    if view.covers_any(&full) {
        return None;
    }
    if let Some(meant) = half_qualified(view, &rule.host, domain) {
        return Some(format!("its host `{}` is taken as it is, for it has a dot; write `{meant}`", rule.host));
    }
    let of_cluster = full.strip_suffix(domain).and_then(|rest| rest.strip_suffix(".svc."));
    let place = of_cluster.and_then(|rest| rest.rsplit('.').next());
    let told = match place {
        Some(place) if !place.is_empty() && place != "*" => view.known.services(place),
        Some(_) | None => view.known.hosts(),
    };
    if !told {
        return None;
    }
    let short = !rule.host.contains('.') && !host::is_wildcard(&rule.host);
    let elsewhere = || {
        let name = of_cluster.filter(|_| !host::is_wildcard(&full))?.split('.').next()?;
        view.namespaces_with_service(name).into_iter().next().map(|other| format!("{name}.{other}.svc.{domain}"))
    };
    Some(match (short, elsewhere()) {
        (true, Some(meant)) => format!(
            "its host `{}` is completed with its own namespace, and no Service is named {full}; write `{meant}`",
            rule.host
        ),
        (true, None) => format!("its host `{}` stands for {full}, and no Service is named so", rule.host),
        (false, Some(meant)) => format!("no Service or ServiceEntry has the host {full}; did you mean `{meant}`?"),
        (false, None) => format!("no Service or ServiceEntry has the host {full}"),
    })
}

/// The full name behind `web.app` and `web.app.svc`.
fn half_qualified(view: &View<'_, '_>, written: &str, domain: &str) -> Option<String> {
    let (name, rest) = written.split_once('.')?;
    let namespace = rest.strip_suffix(".svc").unwrap_or(rest);
    let full = format!("{name}.{namespace}.svc.{domain}");
    (!namespace.contains('.') && view.covers_any(&full)).then_some(full)
}
