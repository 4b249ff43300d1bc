//! The `kubectl-mtls` binary.

fn main() {}
