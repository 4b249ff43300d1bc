//! Small meshes: made at random, read, compared with what Istio's own code says of them, and made smaller.
//!
//! Used by the recorded answers in the ordinary test run and by the live oracle (`tests/oracle/README.md`).

#![expect(
    clippy::indexing_slicing,
    reason = "objects are put together here, and a field that is not there yet is added"
)]

pub(crate) mod compare;
pub(crate) mod generate;
pub(crate) mod recorded;
pub(crate) mod shrink;
pub(crate) mod tally;
pub(crate) mod yaml;
