//! The join: three witnesses to one verdict, its findings, and the report that every printer works from.

pub mod arrival;
pub mod assemble;
pub mod causes;
mod classes;
mod concerned;
pub mod finding;
mod gaps;
pub mod join;
pub mod negative;
pub mod policies;
mod proxies;
pub mod report;
mod rules;
pub mod tallied;
mod told;
