//! A cluster without Istio: that it is none is the answer.

use serde_json::json;

use super::Faulty;
use super::front::Fate;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_knows_no_kind_of_istio_is_told_as_no_mesh() {
    let unknown =
        |line: &str| ["/apis/security.istio.io", "/apis/networking.istio.io"].iter().any(|it| line.contains(it));
    let server = Faulty::server(move |line, _| {
        if !unknown(line) {
            return Fate::Pass;
        }
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "the server could not find the requested resource", "reason": "NotFound", "code": 404 });
        Fate::Answer(404, "content-type: application/json\r\n", status.to_string())
    })
    .await;
    let ended = server.check(&["--no-probe", "--no-proxy"]).await;
    assert!(
        ended.stderr.contains("warning: the server knows no Istio kinds: this is no Istio mesh\n"),
        "{}",
        ended.stderr
    );
    // Nothing was tried in vain, and nothing is claimed to be missing.
    assert_eq!(ended.unseen(), []);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    // No policy of the mesh behind the server is known to it.
    assert!(!ended.verdicts().contains(&"refused".to_owned()), "{:?}", ended.verdicts());
}
