//! The words everything else speaks: objects of a mesh, what proxies are told, what may go over the wire.
//!
//! Pure data and the few decisions that follow from a type alone. Imports nothing of the crate.

pub mod derivation;
pub mod evidence;
pub mod filter_chain;
pub mod identity;
pub mod json_patch;
pub mod mesh;
pub mod meta;
pub mod name;
pub mod pair;
pub mod policy;
pub mod port;
pub mod proxy_answers;
pub mod service;
pub mod snapshot;
pub mod tls;
pub mod virtual_service;
pub mod wire;
pub mod workload;
