//! What gets in and what does not, against Istio's tests and a real API server with Istio's webhook.

use kubectl_mtls::decode::schema::{self, FieldProblem};
use serde_json::Value;

fn is_refused(object: &Value) -> bool {
    schema::check(object).iter().any(FieldProblem::is_refusal)
}

#[test]
fn peer_authentications_that_istio_validates() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/istio/pa_validation.json")).unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        assert_eq!(!is_refused(&vector["input"]["policy"]), vector["expected"]["valid"], "{}", vector["id"]);
    }
}

#[test]
fn policies_that_a_real_cluster_took_and_refused() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/istio/admission.json")).unwrap();
    let (accepted, refused) = (vectors["accepted"].as_array().unwrap(), vectors["refused"].as_array().unwrap());
    assert_eq!((accepted.len(), refused.len()), (307, 11));
    for object in accepted {
        assert_eq!(schema::check(object), [], "{object}");
    }
    for vector in refused {
        assert!(is_refused(&vector["object"]), "{}: {}", vector["why"], vector["object"]);
    }
}

#[test]
fn client_tls_settings_as_istio_validates_them() {
    // pkg/config/validation/agent/validation_test.go:TestValidateTLS, the same commit as the vectors.
    let rows = [
        ("{mode: SIMPLE, credentialName: c}", true),
        ("{mode: SIMPLE, credentialName: c, clientCertificate: cert}", false),
        ("{mode: SIMPLE, credentialName: c, privateKey: key}", false),
        ("{mode: SIMPLE, credentialName: c, caCertificates: ca}", false),
        ("{mode: MUTUAL, credentialName: c}", true),
        ("{mode: MUTUAL, credentialName: c, clientCertificate: cert}", false),
        ("{mode: MUTUAL, credentialName: c, privateKey: key}", false),
        ("{mode: MUTUAL, credentialName: c, caCertificates: ca}", false),
        ("{mode: MUTUAL, credentialName: c, caCrl: ca}", false),
        ("{mode: MUTUAL, clientCertificate: cert, privateKey: key}", true),
        ("{mode: MUTUAL, clientCertificate: cert}", false),
        ("{mode: MUTUAL, privateKey: key}", false),
        // Read from ValidateTLS itself: certificates beside ISTIO_MUTUAL get in and are ignored.
        ("{mode: ISTIO_MUTUAL, clientCertificate: cert, credentialName: c}", true),
        ("{mode: SIMPLE, insecureSkipVerify: true, caCertificates: ca}", false),
        (
            "{mode: MUTUAL, insecureSkipVerify: true, clientCertificate: cert, privateKey: key, subjectAltNames: [a]}",
            false,
        ),
    ];
    for (tls, valid) in rows {
        let text = format!("{{kind: DestinationRule, spec: {{host: a, trafficPolicy: {{tls: {tls}}}}}}}");
        let object: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(!is_refused(&object), valid, "{tls}");
    }
}

#[test]
fn hosts_of_rules_as_istio_validates_them() {
    // pkg/config/validation/agent/validation_test.go:TestValidateWildcardDomain.
    let rows = [
        (String::new(), false),
        ("x".repeat(256), false),
        ("x".repeat(63), true),
        ("*".to_owned(), true),
        ("*.bar.com".to_owned(), true),
        ("*foo".to_owned(), true),
        ("*foo.bar.com".to_owned(), true),
        ("*-foo.bar.com".to_owned(), true),
        ("foo.*.com".to_owned(), false),
        ("foo*.bar.com".to_owned(), false),
        ("1.1.1.1".to_owned(), false),
    ];
    for (host, valid) in rows {
        let object = serde_json::json!({"kind": "DestinationRule", "spec": {"host": host}});
        assert_eq!(!is_refused(&object), valid, "{host}");
    }
}

#[test]
fn sidecars_as_istio_validates_them() {
    // pkg/config/validation/validation_test.go:TestValidateSidecar.
    let rows = [
        ("{}", false),
        ("{egress: [{hosts: ['*/*']}]}", true),
        ("{egress: [{hosts: ['*/*']}], workloadSelector: {}}", true),
        ("{egress: [{hosts: ['./*']}]}", true),
        ("{egress: [{hosts: ['./foo.com']}]}", true),
        ("{egress: [{hosts: ['~/*']}]}", true),
        ("{egress: [{hosts: ['*/*', '~ns1/*']}]}", true),
        ("{egress: [{hosts: ['*/*', '~/foo.com']}]}", true),
        ("{egress: [{hosts: ['*/*', '~Invalid_NS/*']}]}", false),
        ("{egress: [{hosts: ['*']}]}", false),
        ("{egress: [{hosts: ['/']}]}", false),
        ("{egress: [{hosts: []}]}", false),
        ("{egress: [{hosts: ['*/foo.com']}, {hosts: ['ns1/bar.com']}]}", false),
        (
            "{egress: [{hosts: ['*/foo.com']}, {port: {protocol: http, number: 8080, name: h8080}, hosts: ['ns1/bar.com']}]}",
            false,
        ),
        ("{egress: [{port: {protocol: http1, number: 1000000}, hosts: ['ns1/bar.com']}]}", false),
        ("{egress: [{port: {protocol: http, number: 8080}, hosts: ['ns1/bar.com']}]}", true),
        (
            "{egress: [{port: {protocol: http, number: 0, name: uds}, hosts: ['ns1/bar.com'], bind: 'unix:///@foo/bar/com'}]}",
            true,
        ),
        (
            "{ingress: [{port: {protocol: http, number: 0, name: uds}, bind: 'unix:///@foo/bar/com', defaultEndpoint: '127.0.0.1:9999'}]}",
            false,
        ),
        (
            "{egress: [{port: {protocol: http, number: 0, name: uds}, hosts: ['ns1/bar.com'], bind: 'foobar:///@foo/bar/com'}]}",
            false,
        ),
        (
            "{egress: [{port: {protocol: http, number: 0, name: uds}, hosts: ['ns1/bar.com'], bind: 'unix:///@foo', captureMode: IPTABLES}]}",
            false,
        ),
        (
            "{egress: [{port: {protocol: http, number: 0}, hosts: ['a/b'], bind: 'unix:///@foo'}, {port: {protocol: http, number: 0}, hosts: ['a/b'], bind: 'unix:///@foo'}]}",
            false,
        ),
        (
            "{egress: [{port: {protocol: http, number: 90}, hosts: ['ns1/bar.com']}, {port: {protocol: tcp, number: 90}, hosts: ['ns2/bar.com']}]}",
            false,
        ),
        ("{ingress: [{defaultEndpoint: '127.0.0.1:110'}], egress: [{hosts: ['*/*']}]}", false),
        (
            "{ingress: [{port: {protocol: http, number: 90}}, {port: {protocol: tcp, number: 90}}], egress: [{hosts: ['*/*']}]}",
            false,
        ),
        ("{ingress: [{port: {protocol: http, number: 90, name: foo}}], egress: [{hosts: ['*/*']}]}", true),
        ("{ingress: [{port: {protocol: http, number: 90}, defaultEndpoint: '1.1.1.1:90'}]}", false),
        ("{ingress: [{port: {protocol: http, number: 90}, defaultEndpoint: '[1:1:1:1:1:1:1:1]:90'}]}", false),
        ("{ingress: [{port: {protocol: http, number: 90}, defaultEndpoint: 'unix:///'}]}", false),
        ("{ingress: [{port: {protocol: http, number: 90}, defaultEndpoint: '127.0.0.1:hi'}]}", false),
    ];
    for (spec, valid) in rows {
        let object: Value = serde_saphyr::from_str(&format!("{{kind: Sidecar, spec: {spec}}}")).unwrap();
        assert_eq!(!is_refused(&object), valid, "{spec}: {:?}", schema::check(&object));
    }
}

#[test]
fn virtual_services_as_istio_validates_them() {
    // pkg/config/validation/validation.go:ValidateVirtualService and what it calls, the same commit as the vectors.
    let rows = [
        ("{hosts: [a], http: [{route: [{destination: {host: a}}]}]}", true),
        ("{http: [{route: [{destination: {host: a}}]}]}", true),
        ("{hosts: [a]}", false),
        ("{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}", false),
        ("{hosts: ['*'], gateways: [g], http: [{route: [{destination: {host: a}}]}]}", true),
        ("{hosts: ['*.a.com'], http: [{redirect: {uri: /b}}]}", true),
        ("{gateways: [g], http: [{route: [{destination: {host: a}}]}]}", false),
        ("{hosts: [a], http: [{match: [{uri: {prefix: /}}]}]}", false),
        ("{hosts: [a], http: [{redirect: {uri: /b}, route: [{destination: {host: a}}]}]}", false),
        ("{hosts: [a], http: [{delegate: {name: d}}]}", true),
        ("{http: [{delegate: {name: d}}]}", false),
        ("{hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]}", false),
        ("{hosts: [a], http: [{route: [{destination: {host: a}, weight: 1}, {destination: {host: b}}]}]}", true),
        ("{hosts: [a], tcp: [{route: [{destination: {host: a, port: {number: 9000}}}]}]}", true),
        ("{hosts: [a], tcp: [{}]}", false),
        ("{hosts: [a], tls: [{route: [{destination: {host: a}}]}]}", false),
    ];
    for (spec, valid) in rows {
        let object: Value = serde_saphyr::from_str(&format!("{{kind: VirtualService, spec: {spec}}}")).unwrap();
        assert_eq!(!is_refused(&object), valid, "{spec}");
    }
}
