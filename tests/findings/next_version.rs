//! Policies that the next version of Istio reads otherwise, at every version.

use kubectl_mtls::model::mesh::IstioVersion;

use crate::findings::world::{dr, mesh, told};

/// What is told of the next version by each version from 1.9 on.
fn by_version(more: &str) -> Vec<(u16, String)> {
    let versions = IstioVersion::OLDEST.minor..=IstioVersion::NEWEST.minor;
    let at = |minor: u16| {
        let mut snapshot = mesh(more);
        for profile in &mut snapshot.profiles {
            profile.version = IstioVersion::minor(minor);
        }
        told(&snapshot).into_iter().filter(|line| line.starts_with("MTLS401")).map(move |line| (minor, line))
    };
    versions.flat_map(at).collect()
}

const HOST: &str = "host: httpbin.foo.svc.cluster.local";

#[test]
fn rules_of_different_export_sets_merge_until_1_24() {
    let rules = dr("foo", "a", &format!("{{{HOST}, trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL}}}}}}"))
        + &dr("foo", "b", &format!("{{{HOST}, exportTo: ['*'], trafficPolicy: {{tls: {{mode: DISABLE}}}}}}"));
    let expected = "MTLS401 dr/a.foo, dr/b.foo: Istio 1.24 reads them otherwise: sleep.foo -> httpbin.foo:8000 is mutual-tls \
                    200, then plaintext 200";
    assert_eq!(by_version(&rules), [(23, expected.to_owned())]);
}

#[test]
fn a_workload_selector_counts_since_1_14() {
    let rule = dr(
        "foo",
        "some",
        &format!(
            "{{{HOST}, workloadSelector: {{matchLabels: {{app: web}}}}, trafficPolicy: {{tls: {{mode: DISABLE}}}}}}"
        ),
    );
    let expected = "MTLS401 dr/some.foo: Istio 1.14 reads it otherwise: sleep.foo -> httpbin.foo:8000 is plaintext 200, then \
                    mutual-tls 200";
    assert_eq!(by_version(&rule), [(13, expected.to_owned())]);
}

#[test]
fn what_no_difference_concerns_is_not_told() {
    assert_eq!(by_version(&dr("foo", "a", &format!("{{{HOST}, trafficPolicy: {{tls: {{mode: DISABLE}}}}}}"))), []);
}
