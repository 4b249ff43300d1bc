//! The join: three witnesses to one verdict, its findings, and the report that every printer works from.

pub mod assemble;
pub mod causes;
pub mod finding;
mod gaps;
pub mod join;
pub mod policies;
mod proxies;
pub mod report;
pub mod rules;
mod told;
