//! A server that misbehaves: what can be answered is, what is missing is named, and nothing waits for ever.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use kube::config::Kubeconfig;
use kubectl_mtls::lab::mesh::Lab;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::source::apply::Applied;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use serde_json::Value;
use tempfile::TempDir;

use front::{Fate, Front};

mod front;
mod lists;
mod no_mesh;
mod pods;
mod reviews;
mod servers;

/// The reference mesh behind a server that can be made to misbehave.
struct Faulty {
    _lab: Lab,
    front: Front,
    home: TempDir,
}

/// What a command came to.
struct Ended {
    status: i32,
    report: Value,
    stderr: String,
    took: Duration,
}

impl Faulty {
    /// Each request is asked about with its first line and how many times its path was asked for before.
    async fn server(fate: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Self {
        let lab = Lab::start(IstioVersion::NEWEST).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
        let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
        let (policies, _) = kubectl_mtls::decode::manifests::parse("p", include_str!("cli/policies.yaml"), "default");
        for policy in policies {
            assert_eq!(cluster.apply(&policy.object).await.unwrap(), Applied::Taken(Vec::new()));
        }
        lab.settled(Duration::from_mins(1)).await.unwrap();
        let front = Front::before(&lab.kubeconfig(), fate).await;
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("config"), front.kubeconfig()).unwrap();
        Self { _lab: lab, front, home }
    }

    /// `check` between the test pods, with the witnesses that are wanted.
    async fn check(&self, args: &[&str]) -> Ended {
        let began = Instant::now();
        let ran = self.run(&[&["check", "-A", "--from", "app=sleep", "-o", "json"], args].concat()).await;
        let report = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
        Ended { status: ran.status, report, stderr: ran.stderr, took: began.elapsed() }
    }

    async fn run(&self, args: &[&str]) -> crate::ended::Ended {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        args.push(format!("--kubeconfig={}", self.home.path().join("config").display()));
        tokio::task::spawn_blocking(move || crate::ended::mtls(&args)).await.unwrap()
    }
}

impl Ended {
    /// The looks that failed, as what was tried and why.
    fn unseen(&self) -> Vec<(&str, &str)> {
        let looks = self.report["unseen"].as_array().unwrap().iter();
        looks.map(|look| (look["tried"].as_str().unwrap(), look["why"].as_str().unwrap())).collect()
    }

    fn verdicts(&self) -> Vec<String> {
        let pairs = self.report["pairs"].as_array().unwrap().iter();
        pairs.map(|pair| pair["verdict"].as_str().unwrap().to_owned()).collect()
    }
}
