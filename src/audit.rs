//! What would follow: changes that help, tried on the rules before they are proposed, and who else is concerned.

mod candidates;
pub mod change;
pub mod consequence;
pub mod edit;
pub mod explain;
pub mod fixes;
pub mod others;
pub mod ruled_out;
