//! The order in which istiod reads objects.

use std::cmp::Ordering;

use crate::model::meta::Meta;

/// Oldest first; an object that was never applied is the youngest.
pub(crate) fn by_age_only(a: &Meta, b: &Meta) -> Ordering {
    match (a.created, b.created) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// Oldest first, then by name, then by namespace.
///
/// Istio: `pilot/pkg/model/config.go:sortConfigByCreationTime`. Timestamps have one-second resolution, so ties are common.
pub(crate) fn by_age(a: &Meta, b: &Meta) -> Ordering {
    by_age_only(a, b).then_with(|| a.name.cmp(&b.name)).then_with(|| a.namespace.cmp(&b.namespace))
}
