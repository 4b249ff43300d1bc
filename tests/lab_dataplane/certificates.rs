//! The shape of certificates, as `istio-semantics.md` and RFC 5280 have it.

use kubectl_mtls::lab::authority::{Authority, Validity};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::lab_dataplane::world::client_identity;

#[test]
fn a_workload_certificate_has_istios_shape() {
    let authority = Authority::new("cluster.local").unwrap();
    let issued = authority.issue_workload(&client_identity()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&issued.chain()[0]).unwrap();
    assert_eq!(certificate.subject().iter().count(), 0);
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical);
    let GeneralName::URI(uri) = names.value.general_names[0] else { panic!("{names:?}") };
    assert_eq!((uri, names.value.general_names.len()), ("spiffe://cluster.local/ns/bar/sa/curl", 1));
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
    let seconds = certificate.validity().not_after.timestamp() - certificate.validity().not_before.timestamp();
    assert!(seconds <= 24 * 3600 + 120, "{seconds}");
    assert!(certificate.validity().is_valid());
    let (_, root) = X509Certificate::from_der(authority.root_der()).unwrap();
    assert_eq!(certificate.issuer(), root.subject());
    assert!(root.is_ca() && root.tbs_certificate.is_ca());
    certificate.verify_signature(Some(root.public_key())).unwrap();
}

#[test]
fn validity_can_lie_in_the_past_or_the_future() {
    let authority = Authority::new("cluster.local").unwrap();
    for (from, until) in [(-7200, -3600), (3600, 7200)] {
        let issued = authority.issue_workload_for(&client_identity(), Validity { from, until }).unwrap();
        let (_, certificate) = X509Certificate::from_der(&issued.chain()[0]).unwrap();
        assert!(!certificate.validity().is_valid(), "{from}");
    }
}

#[test]
fn a_server_certificate_has_dns_and_ip_names() {
    let authority = Authority::new("cluster.local").unwrap();
    let issued = authority.issue_server(&["kubernetes.default.svc"], &[[127, 0, 0, 1].into()]).unwrap();
    let (_, certificate) = X509Certificate::from_der(&issued.chain()[0]).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(
        names.general_names,
        [GeneralName::DNSName("kubernetes.default.svc"), GeneralName::IPAddress(&[127, 0, 0, 1])]
    );
    assert!(authority.root_pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn no_key_is_ever_shown() {
    let authority = Authority::new("cluster.local").unwrap();
    let issued = authority.issue_workload(&client_identity()).unwrap();
    assert_eq!(format!("{authority:?} {issued:?}"), "Authority { .. } Issued { .. }");
}
