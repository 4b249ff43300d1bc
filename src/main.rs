//! The `kubectl-mtls` binary.

use kubectl_mtls::exit::Exit;

fn main() -> Exit {
    kubectl_mtls::cli::run(std::env::args_os())
}
