//! What a mesh may hold beside pods, Services, ServiceEntries and policies.

use std::collections::BTreeSet;

/// A feature that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    WorkloadEntries,
    SidecarIngress,
    ExternalNames,
    VirtualServices,
}

/// The features that meshes are made with.
#[derive(Debug, Clone)]
pub(crate) struct Features(BTreeSet<Feature>);

// === impl Feature ===

impl Feature {
    const ALL: [Self; 4] = [Self::WorkloadEntries, Self::SidecarIngress, Self::ExternalNames, Self::VirtualServices];

    fn as_str(self) -> &'static str {
        match self {
            Self::WorkloadEntries => "workload-entries",
            Self::SidecarIngress => "sidecar-ingress",
            Self::ExternalNames => "external-names",
            Self::VirtualServices => "virtual-services",
        }
    }
}

// === impl Features ===

impl Features {
    /// All of them.
    pub(crate) fn all() -> Self {
        Self(Feature::ALL.into())
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.0.contains(&feature)
    }

    /// Without those named, separated by commas.
    pub(crate) fn without(mut self, names: &str) -> Result<Self, String> {
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let known = Feature::ALL.into_iter().find(|feature| feature.as_str() == name);
            let all = || Feature::ALL.map(Feature::as_str).join(", ");
            let feature = known.ok_or_else(|| format!("no feature `{name}`; there are {}", all()))?;
            self.0.remove(&feature);
        }
        Ok(self)
    }
}
