//! The words of curl's command line: warnings, hints and how it folds them.

/// The line after a wrong command line.
pub(super) const TRY_HELP: &str = "curl: try 'curl --help' or 'curl --manual' for more information\n";

/// What follows the message of exit 60.
pub(super) const CA_CERT_HINT: &str = "More details here: https://curl.se/docs/sslcerts.html\n\ncurl failed to verify the \
legitimacy of the server and therefore could not\nestablish a secure connection to it. To learn more about this situation \
and\nhow to fix it, please visit the web page mentioned above.\n";

/// Columns curl folds its warnings to, prefix included.
const WIDTH: usize = 79;

/// `Warning: ...`, folded at blanks as curl folds.
pub(super) fn warning(text: &str) -> String {
    folded("Warning: ", &format!("{text}\n"))
}

/// `Note: ...`, folded; shown with `-v`.
pub(super) fn note(text: &str) -> String {
    folded("Note: ", &format!("{text}\n"))
}

/// A warning without a line end.
pub(super) fn open_warning(text: &str) -> String {
    folded("Warning: ", text)
}

/// `curl: ...`, folded; for errors that `-s` silences.
pub(super) fn error(text: &str) -> String {
    folded("curl: ", &format!("{text}\n"))
}

/// `curl: ...` and the pointer to the help; for wrong command lines.
pub(super) fn usage(text: &str) -> String {
    format!("curl: {text}\n{TRY_HELP}")
}

/// Cuts at the last blank before the width, which stays at the end of its line; a word longer than a line is cut. A line end
/// counts.
fn folded(prefix: &str, text: &str) -> String {
    let width = WIDTH - prefix.len();
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        out.push_str(prefix);
        if rest.len() <= width {
            out.push_str(rest);
            break;
        }
        let (line, tail) = cut(rest, width);
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out
}

/// The first line of `text`, which is longer than `width`.
fn cut(text: &str, width: usize) -> (&str, &str) {
    let line = text.as_bytes().get(..width).unwrap_or_default();
    let blank = line.iter().rposition(|byte| matches!(byte, b' ' | b'\t')).filter(|at| *at > 0);
    let mut at = blank.map_or(width, |blank| blank + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.split_at_checked(at).unwrap_or((text, ""))
}
