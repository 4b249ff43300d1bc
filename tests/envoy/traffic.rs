//! What is read of the servers' counters means on real Envoy what it is said to mean.

use crate::envoy::program;
use crate::traffic::live;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a real Envoy: tests/envoy/run"]
async fn every_kind_of_connection_is_counted_where_it_belongs() {
    live::counted(Some(program())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a real Envoy: tests/envoy/run"]
async fn one_service_is_read_with_little() {
    eprintln!("{}", live::cost(Some(program())).await.join("\n"));
}
