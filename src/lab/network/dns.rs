//! Names as cluster DNS and a pod's resolver see them.

use std::net::{IpAddr, Ipv4Addr};

use crate::lab::desired::DesiredService;

/// The cluster domain of the lab.
const DOMAIN: &str = "cluster.local";
/// `options ndots:5` of a pod's resolv.conf: names with fewer dots go through the search path first.
const NDOTS: usize = 5;

/// What a pod of this namespace gets for a name.
///
/// Kubernetes, "DNS for Services and Pods": search path `<namespace>.svc.<domain> svc.<domain> <domain>`.
pub(super) fn resolve(services: &[DesiredService], namespace: &str, host: &str) -> Vec<IpAddr> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return vec![address];
    }
    let host = host.to_ascii_lowercase();
    if host == "localhost" {
        // Every pod's /etc/hosts.
        return vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    }
    candidates(namespace, &host).iter().find_map(|name| lookup(services, name)).unwrap_or_default()
}

fn candidates(namespace: &str, host: &str) -> Vec<String> {
    if let Some(absolute) = host.strip_suffix('.') {
        return vec![absolute.to_owned()];
    }
    let searched =
        [format!("{host}.{namespace}.svc.{DOMAIN}"), format!("{host}.svc.{DOMAIN}"), format!("{host}.{DOMAIN}")];
    let absolute = [host.to_owned()];
    if host.matches('.').count() < NDOTS {
        searched.into_iter().chain(absolute).collect()
    } else {
        absolute.into_iter().chain(searched).collect()
    }
}

/// `None` where no Service has the name.
fn lookup(services: &[DesiredService], name: &str) -> Option<Vec<IpAddr>> {
    let (name, namespace) = name.strip_suffix(DOMAIN)?.strip_suffix(".svc.")?.split_once('.')?;
    let service = services.iter().find(|service| service.name == name && service.namespace == namespace)?;
    if !service.addresses.is_empty() {
        return Some(service.addresses.clone());
    }
    let mut pods: Vec<IpAddr> =
        service.ports.iter().flat_map(|(_, ready)| ready.iter().map(std::net::SocketAddr::ip)).collect();
    pods.sort_unstable();
    pods.dedup();
    Some(pods)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::resolve;
    use crate::lab::desired::DesiredService;
    use crate::model::port::ServicePort;

    const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));
    const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 7));

    fn services() -> Vec<DesiredService> {
        let ports = vec![(ServicePort(8000), vec![SocketAddr::new(POD, 80)]), (ServicePort(9000), Vec::new())];
        let service = |name: &str, addresses| DesiredService {
            namespace: "foo".to_owned(),
            name: name.to_owned(),
            addresses,
            ports: ports.clone(),
        };
        vec![service("httpbin", vec![VIP]), service("headless", Vec::new())]
    }

    #[test]
    fn a_service_answers_to_every_name_the_search_path_completes() {
        for name in
            ["httpbin.foo", "httpbin.foo.svc", "httpbin.foo.svc.cluster.local", "httpbin.foo.svc.cluster.local."]
        {
            assert_eq!(resolve(&services(), "bar", name), [VIP], "{name}");
        }
        assert_eq!(resolve(&services(), "foo", "HTTPBIN"), [VIP]);
    }

    #[test]
    fn what_the_search_path_does_not_complete_is_unknown() {
        for name in ["httpbin", "httpbin.bar", "httpbin.foo.", "example.com", "httpbin.foo.svc.cluster.local.bar"] {
            assert_eq!(resolve(&services(), "bar", name), Vec::<IpAddr>::new(), "{name}");
        }
    }

    #[test]
    fn a_headless_service_gives_its_pods_once_and_an_address_itself() {
        assert_eq!(resolve(&services(), "bar", "headless.foo"), [POD]);
        assert_eq!(resolve(&services(), "bar", "10.1.2.3"), [IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))]);
    }
}
