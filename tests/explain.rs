//! What `explain` says: enough to decide, true when done, and told so that a person can act on it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read its own recording has failed"
)]

mod proposals;
mod shapes;
mod sufficient;
