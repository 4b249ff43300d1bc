//! The second witness, against what real proxies were told.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a recording that cannot be read is a failed test"
)]

mod ages;
mod asked;
mod bad_input;
mod bent;
mod cluster;
mod kinds;
mod modes;
mod newer;
mod old;
mod shapes;
mod wanted;
