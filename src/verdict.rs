//! The join: three witnesses to one verdict, its findings, and the report that every printer works from.

pub mod assemble;
pub mod finding;
pub mod ignored;
pub mod join;
pub mod report;
pub mod rules;
