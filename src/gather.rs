//! The look: fan-out with bounds and time-outs, every failed look recorded.

pub mod check;
mod chosen;
pub mod mesh;
pub mod probe;
pub mod progress;
pub mod scope;
mod suggest;
