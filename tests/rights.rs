//! Users with few rights: what `rbac` prints is enough and no more, and what is missing is named.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::path::PathBuf;

use kube::config::Kubeconfig;
use kubectl_mtls::decode::manifests;
use kubectl_mtls::lab::mesh::Lab;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::source::apply::Applied;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ended::{Ended, mtls};

mod debug_image;
mod least;
mod narrow;

/// The reference mesh with the policies of the README, and whoever looks at it.
struct World {
    lab: Lab,
    cluster: Cluster,
    home: TempDir,
}

impl World {
    async fn start() -> Self {
        let lab = Lab::start(IstioVersion::NEWEST).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
        let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
        let world = Self { lab, cluster, home: TempDir::new().unwrap() };
        world.apply(include_str!("cli/policies.yaml")).await;
        world.lab.settled(std::time::Duration::from_mins(1)).await.unwrap();
        world
    }

    async fn apply(&self, yaml: &str) {
        for object in objects(yaml) {
            self.apply_object(&object).await;
        }
    }

    async fn apply_object(&self, object: &Value) {
        let applied = self.cluster.apply(object).await.unwrap();
        assert_eq!(applied, Applied::Taken(Vec::new()), "{object}");
    }

    /// A kubeconfig in whose context a user is impersonated.
    fn kubeconfig(&self, user: &str) -> PathBuf {
        let file = self.home.path().join(format!("{user}.config"));
        let text = self.lab.kubeconfig().replace("    token:", &format!("    as: {user}\n    token:"));
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Runs a command as a user; the owner of the mesh where none is named.
    async fn run(&self, user: &str, args: &[&str]) -> Ended {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        args.push(format!("--kubeconfig={}", self.kubeconfig(user).display()));
        tokio::task::spawn_blocking(move || mtls(&args)).await.unwrap()
    }

    /// Gives a user what `rbac` prints, less what is to be missing.
    async fn grant(&self, user: &str, rbac: &[&str], less: Option<(&str, &str)>) {
        self.grant_where(user, rbac, less, |_| true).await;
    }

    /// The same as far as it holds in some places; cluster-wide roles have no namespace.
    async fn grant_where(&self, user: &str, rbac: &[&str], less: Option<(&str, &str)>, place: impl Fn(&str) -> bool) {
        let args: Vec<String> = ["rbac", "--user", user].iter().chain(rbac).map(|arg| (*arg).to_owned()).collect();
        for mut object in objects(&mtls(&args).stdout) {
            if !place(object["metadata"]["namespace"].as_str().unwrap_or_default()) {
                continue;
            }
            object["metadata"]["name"] = json!(user);
            if object.get("roleRef").is_some() {
                object["roleRef"]["name"] = json!(user);
            }
            if let Some((verb, resource)) = less {
                take_away(&mut object, verb, resource);
            }
            self.apply_object(&object).await;
        }
    }
}

/// Every right of the roles in a text, as verb and resource.
fn rights(yaml: &str) -> Vec<(String, String)> {
    let mut rights = Vec::new();
    for role in objects(yaml) {
        for rule in role["rules"].as_array().unwrap() {
            for resource in rule["resources"].as_array().unwrap() {
                for verb in rule["verbs"].as_array().unwrap() {
                    rights.push((verb.as_str().unwrap().to_owned(), resource.as_str().unwrap().to_owned()));
                }
            }
        }
    }
    rights
}

fn take_away(role: &mut Value, verb: &str, resource: &str) {
    let Some(rules) = role.get_mut("rules").and_then(Value::as_array_mut) else { return };
    let mut kept = Vec::new();
    for rule in rules.drain(..) {
        for one in rule["resources"].as_array().unwrap() {
            let verbs: Vec<&Value> =
                rule["verbs"].as_array().unwrap().iter().filter(|has| !(*has == verb && one == resource)).collect();
            if !verbs.is_empty() {
                let mut narrow = rule.clone();
                narrow["verbs"] = json!(verbs);
                narrow["resources"] = json!([one]);
                kept.push(narrow);
            }
        }
    }
    rules.extend(kept);
}

fn objects(yaml: &str) -> Vec<Value> {
    let (objects, problems) = manifests::parse("roles.yaml", yaml, "default");
    assert!(problems.is_empty(), "{problems:?}");
    objects.into_iter().map(|loaded| loaded.object).collect()
}
