//! What `-V`, `-h` and `-M` print.

use std::fmt::Write;

use super::options;

/// `curl_version()`. The OpenSSL in it is the one whose words this curl uses.
pub(super) const LIBCURL: &str = "libcurl/7.88.1 OpenSSL/3.0.19";

/// `-V`. Fewer protocols and features than a distribution's curl: what this one has not, it does not claim.
pub(super) fn version() -> String {
    format!(
        "curl 7.88.1 (x86_64-pc-linux-gnu) {LIBCURL}\nRelease-Date: 2023-02-20\nProtocols: http https \nFeatures: AsynchDNS \
         IPv6 Largefile SSL threadsafe\n"
    )
}

/// `-h`: the options a person asks for first, or with any category those that take effect here.
pub(super) fn help(category: &str) -> String {
    if category.is_empty() {
        return HELP.to_owned();
    }
    let mut out = String::from("Usage: curl [options...] <url>\n");
    for (letter, name, value) in options::effective() {
        let letter = letter.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        // Writing to a String cannot fail.
        let _ = writeln!(out, " {letter}--{name}{}", if value { " <value>" } else { "" });
    }
    out
}

const HELP: &str = "\
Usage: curl [options...] <url>
 -d, --data <data>          HTTP POST data
 -f, --fail                 Fail fast with no output on HTTP errors
 -h, --help <category>      Get help for commands
 -i, --include              Include protocol response headers in the output
 -o, --output <file>        Write to file instead of stdout
 -s, --silent               Silent mode
 -u, --user <user:password> Server user and password
 -A, --user-agent <name>    Send User-Agent <name> to server
 -v, --verbose              Make the operation more talkative
 -V, --version              Show version number and quit

This is the short help; for all options use \"--help all\".
";

/// `-M`.
pub(super) const MANUAL: &str = "This curl runs inside the reference mesh. It behaves like curl 7.88.1, see curl(1), for HTTP/1.x with and \
without TLS.\nIt has no proxies, no HTTP/2, no cookie engine, no uploads from files and no disk to write to.\n";
