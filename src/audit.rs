//! What would change if something were changed: the rules, run again on a mesh that is not there yet.

pub mod fixes;
pub mod whatif;
