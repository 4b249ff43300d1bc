//! Findings about policies: each kind where it holds and where it does not, and none that is wrong on recorded meshes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its own mesh has failed")]

mod inert;
mod meshes;
mod modes;
mod next_version;
mod one_cause;
mod pages;
mod peer_authentications;
mod rule_hosts;
mod rules;
mod severity;
mod sidecars;
mod world;
