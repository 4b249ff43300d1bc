//! The scenario format: a mesh on one screen, a line of expectation a pair. See `tests/scenarios/README.md`.

pub(crate) mod answer;
pub(crate) mod file;
pub(crate) mod lab;
pub(crate) mod mismatch;
pub(crate) mod row;
pub(crate) mod rules;
pub(crate) mod seeds;
pub(crate) mod side;
pub(crate) mod words;
pub(crate) mod world;
