//! The look: fan-out with bounds and time-outs, every failed look recorded.

pub mod bundle;
pub mod check;
mod chosen;
mod concluded;
mod counters;
pub mod dumps;
mod logs;
pub mod mesh;
mod negative;
pub mod preflight;
pub mod probe;
pub mod progress;
pub mod proxies;
mod repeat;
pub mod replay;
mod replies;
pub mod scope;
pub mod suggest;
mod tallied;
pub mod traffic;
mod waiting;
mod wget;
mod witnesses;
