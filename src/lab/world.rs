//! The default mesh, the seeds' world, and what the images in it do.

use serde_json::Value;

use crate::lab::controllers;
use crate::lab::desired::Application;
use crate::lab::kube_api::apply::{ApplyError, apply};
use crate::lab::store::{Store, object};
use crate::model::mesh::IstioVersion;

/// The manifests, as a person would write them.
const WORLD: &str = include_str!("world.yaml");

/// Stands in the manifests for each of [`NAMESPACES`].
const APPLICATIONS: &str = "APPLICATIONS";

/// The namespaces with a `sleep` and an `httpbin`: two with sidecars, one without.
pub const NAMESPACES: [&str; 3] = ["foo", "bar", "legacy"];

/// What the lab knows to do in place of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acting {
    /// It listens.
    Serves(Application),
    /// It waits, and has curl.
    Curl,
    /// It waits, and has BusyBox.
    BusyBox,
    /// It is Istio's proxy, which has curl too.
    Proxy,
}

/// How a row of [`IMAGES`] names images, without registry, tag and digest.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// The last part of the name contains this.
    Contains(&'static str),
    /// The name ends so, at a `/` or as a whole.
    Is(&'static str),
}

/// Which images run what; the first row that fits counts. Pods of other images exist and do not answer.
const IMAGES: &[(Name, Acting)] = &[
    (Name::Contains("nginxhttps"), Acting::Serves(Application::TlsEcho)),
    (Name::Contains("tls-echo"), Acting::Serves(Application::TlsEcho)),
    (Name::Contains("tcp-echo"), Acting::Serves(Application::TcpEcho)),
    (Name::Contains("httpbin"), Acting::Serves(Application::Httpbin)),
    (Name::Is("curlimages/curl"), Acting::Curl),
    (Name::Is("curl"), Acting::Curl),
    (Name::Contains("sleep"), Acting::Curl),
    (Name::Is("busybox"), Acting::BusyBox),
    (Name::Is("alpine"), Acting::BusyBox),
    (Name::Contains("proxyv2"), Acting::Proxy),
];

/// The objects of the default mesh, Namespaces first, for `istiod` of a version.
#[must_use]
pub fn manifests(version: IstioVersion) -> Vec<Value> {
    let text = WORLD.replace("VERSION", &format!("{version}.0"));
    let written: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap_or_default();
    let (repeated, mut world): (Vec<_>, Vec<_>) =
        written.into_iter().partition(|object| object::namespace(object) == APPLICATIONS);
    for namespace in NAMESPACES {
        world.extend(repeated.iter().cloned().map(|mut object| {
            object::set(&mut object, &["metadata", "namespace"], namespace);
            object
        }));
    }
    world
}

/// Fills a cluster with the default mesh.
pub fn load(store: &Store, version: IstioVersion) -> Result<(), ApplyError> {
    controllers::bootstrap(store);
    manifests(version).into_iter().try_for_each(|manifest| apply(store, manifest, "default").map(drop))
}

/// What the lab does in place of an image: `docker.io/kennethreitz/httpbin:latest` is an httpbin. Of most it knows nothing.
#[must_use]
pub fn application_of(image: &str) -> Option<Acting> {
    let name = image.split('@').next().unwrap_or_default();
    // A colon after the last slash begins a tag, one before it a registry's port.
    let (path, last) = name.rsplit_once('/').unwrap_or(("", name));
    let last = last.split(':').next().unwrap_or_default();
    let full = if path.is_empty() { last.to_owned() } else { format!("{path}/{last}") };
    let fits = |row: Name| match row {
        Name::Contains(part) => last.contains(part),
        Name::Is(whole) => full == whole || full.ends_with(&format!("/{whole}")),
    };
    IMAGES.iter().find(|(row, _)| fits(*row)).map(|(_, acting)| *acting)
}

// === impl Acting ===

impl Acting {
    /// What it serves on the ports its container declares, if anything.
    #[must_use]
    pub fn serves(self) -> Option<Application> {
        match self {
            Self::Serves(application) => Some(application),
            Self::Curl | Self::BusyBox | Self::Proxy => None,
        }
    }

    /// Whether `curl` can be run in it.
    #[must_use]
    pub fn has_curl(self) -> bool {
        match self {
            Self::Curl | Self::Proxy => true,
            Self::BusyBox | Self::Serves(_) => false,
        }
    }
}
