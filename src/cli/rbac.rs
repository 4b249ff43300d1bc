//! `rbac`: the least role with which a command answers in full.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::cli::{Streams, notice};
use crate::exit::Exit;
use crate::source::needs::Purpose;

mod role;

use role::{Roles, Subject};

/// Arguments of `rbac`.
#[derive(Debug, Args)]
pub struct RbacArgs {
    /// The command that is to be allowed
    #[arg(long = "for", value_enum, default_value_t, value_name = "COMMAND")]
    command: Allowed,
    /// Only for servers and clients of these namespaces (repeatable): Roles in place of a cluster-wide one
    #[arg(short, long, value_name = "NAMESPACE", value_delimiter = ',', value_parser = named())]
    namespace: Vec<String>,
    /// For a run with --no-probe, which executes nothing in pods
    #[arg(long)]
    no_probe: bool,
    /// For a run with --no-proxy, which forwards no port
    #[arg(long)]
    no_proxy: bool,
    /// For a run with --debug-image, which adds containers to pods
    #[arg(long, conflicts_with = "no_probe")]
    debug_image: bool,
    /// User to bind the roles to (repeatable)
    #[arg(long, value_name = "NAME", value_parser = named())]
    user: Vec<String>,
    /// Group to bind the roles to (repeatable)
    #[arg(long, value_name = "NAME", value_parser = named())]
    group: Vec<String>,
    /// Service account to bind the roles to (repeatable)
    #[arg(long, value_name = "NAMESPACE:NAME", value_parser = service_account)]
    serviceaccount: Vec<Subject>,
    /// Namespace of Istio's control plane
    #[arg(short = 'i', long, value_name = "NAMESPACE", default_value = "istio-system", value_parser = named())]
    istio_namespace: String,
    /// Revision of a control plane beside the default one, whose mesh configuration is read too (repeatable)
    #[arg(long, value_name = "REVISION", value_delimiter = ',', value_parser = named())]
    revision: Vec<String>,
}

/// The commands that look at a cluster.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Allowed {
    #[default]
    Check,
    Explain,
}

/// Runs `rbac`.
pub fn run(args: &RbacArgs, streams: &mut Streams<'_>) -> Exit {
    let mut purposes = vec![Purpose::Policies];
    if !args.no_probe {
        purposes.push(Purpose::Requests);
    }
    if !args.no_proxy {
        purposes.push(Purpose::Proxies);
    }
    if args.debug_image {
        purposes.push(Purpose::DebugContainers);
    }
    let named = |kind: fn(String) -> Subject, names: &[String]| names.iter().cloned().map(kind).collect::<Vec<_>>();
    let subjects = [named(Subject::User, &args.user), named(Subject::Group, &args.group), args.serviceaccount.clone()];
    let subjects = subjects.concat();
    let roles = Roles {
        name: match args.command {
            Allowed::Check => "kubectl-mtls-check",
            Allowed::Explain => "kubectl-mtls-explain",
        },
        purposes: &purposes,
        subjects: &subjects,
        namespaces: &args.namespace,
        istio_namespace: &args.istio_namespace,
        revisions: &args.revision,
    };
    let printed = streams.out.write_all(roles.yaml().as_bytes()).and_then(|()| streams.out.flush());
    if let Err(exit) = notice::printed(streams, printed) {
        return exit;
    }
    if subjects.is_empty() {
        let text = "--user NAME, --group NAME or --serviceaccount NAMESPACE:NAME prints the bindings, too";
        notice::line(streams.err, &format!("hint: {text}"));
    }
    Exit::Clean
}

fn named() -> NonEmptyStringValueParser {
    NonEmptyStringValueParser::new()
}

fn service_account(text: &str) -> Result<Subject, String> {
    match text.split_once(':') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(Subject::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        Some(_) | None => Err("write it like tools:checker".to_owned()),
    }
}
