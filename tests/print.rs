//! Printers, fed with reports made by hand: what they say must not depend on what the rules come to.

mod documents;
mod jsonpath;
mod reports;
mod table;
