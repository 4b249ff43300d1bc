//! For every client and every service port of an Istio mesh: is traffic mutual TLS, does anything conflict, and which
//! policy at which layer is responsible.
//!
//! Three witnesses are read apart and joined in one place: the policies ([`intent`]), what the proxies were told, and what
//! went over the wire ([`observed`]); [`verdict`] joins them. [`lab`] is the embedded reference mesh.

pub mod audit;
pub mod cli;
pub mod decode;
pub mod envoy;
pub mod exit;
pub mod gather;
pub mod intent;
pub mod lab;
pub mod model;
pub mod observed;
pub mod print;
pub mod programmed;
pub mod source;
pub mod verdict;
pub mod xfcc;
