//! The embedded reference mesh: real bytes on loopback, presented as a small Kubernetes API server.

pub mod access;
pub mod admin;
pub mod authority;
pub mod container;
pub mod control_plane;
pub mod controllers;
pub mod curl;
pub mod dataplane;
pub mod desired;
pub mod drift;
pub mod echo;
pub mod envoy;
pub mod envoy_config;
pub mod httpbin;
pub mod kube_api;
pub mod mesh;
pub mod network;
mod pilot_agent;
pub mod proxy;
pub mod store;
mod wget;
pub mod world;
