//! What went over the wire: curl's answers, read for what they prove and no more.

pub mod access_log;
pub mod causes;
pub mod counters;
pub mod flags;
pub mod probe;
pub mod repeats;
pub mod signature;
pub mod traffic;
pub mod wget;
