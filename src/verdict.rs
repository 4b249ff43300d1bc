//! The join: three witnesses to one verdict, its findings, and the report that every printer works from.

pub mod assemble;
pub mod finding;
pub mod join;
pub mod policies;
pub mod report;
pub mod rules;
