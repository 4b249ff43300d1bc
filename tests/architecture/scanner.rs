//! Reads Rust source as far as imports need it.

use std::collections::BTreeSet;

/// The source without comments, and with empty strings and characters: only code is left.
pub(super) fn code_only(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = skip_comment(rest).or_else(|| skip_raw_string(rest, &code)).or_else(|| skip_quoted(rest));
        if let Some(after) = skipped {
            // Something has to stand between what was before and what comes after.
            code.push(' ');
            rest = after;
        } else {
            code.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    code
}

/// What follows a comment, if one begins here. Documentation is a comment.
fn skip_comment(text: &str) -> Option<&str> {
    if text.starts_with("//") {
        return Some(text.find('\n').and_then(|end| text.get(end..)).unwrap_or_default());
    }
    let mut rest = text.strip_prefix("/*")?;
    let mut depth = 1;
    while depth > 0 && !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
        } else {
            rest = skip_char(rest);
        }
    }
    Some(rest)
}

/// What follows `r"..."` or `r##"..."##`, if one begins here; `before` tells whether the `r` ends a longer word.
fn skip_raw_string<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let marked = text.strip_prefix('r')?;
    let longer_word = before.trim_end_matches(['b', 'c']).ends_with(is_word);
    let body = marked.trim_start_matches('#');
    let hashes = marked.len() - body.len();
    let body = body.strip_prefix('"').filter(|_| !longer_word)?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.split_once(&end).map_or("", |(_, after)| after))
}

/// What follows a string or character, if one begins here; a lifetime is neither.
fn skip_quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut rest = skip_char(text);
    if quote == '\'' {
        let mut ahead = rest.chars();
        let (first, second) = (ahead.next()?, ahead.next());
        if first != '\\' && second != Some('\'') {
            return None;
        }
    }
    while let Some(c) = rest.chars().next() {
        rest = skip_char(rest);
        if c == quote {
            break;
        }
        if c == '\\' {
            rest = skip_char(rest);
        }
    }
    Some(rest)
}

fn skip_char(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The top-level modules that code names, by `crate::` or by enough `super::` to get to the root.
pub(super) fn crate_modules(code: &str, depth: usize) -> BTreeSet<String> {
    let tokens = tokens(code);
    let mut modules = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins_a_path =
            at.checked_sub(1).and_then(|before| tokens.get(before)).is_none_or(|before| *before != "::");
        let rest = tokens.get(at..).unwrap_or_default();
        match *token {
            "crate" | "kubectl_mtls" if begins_a_path => {
                first_segments(rest.get(1..).unwrap_or_default(), &mut modules);
            }
            "super" if begins_a_path && depth > 0 => {
                let ups = rest.chunks(2).take_while(|chunk| **chunk == ["super", "::"]).count();
                if ups >= depth {
                    first_segments(rest.get(ups * 2 - 1..).unwrap_or_default(), &mut modules);
                }
            }
            _ => {}
        }
    }
    modules
}

/// The first name behind `::`, or of each path in braces.
fn first_segments(tokens: &[&str], modules: &mut BTreeSet<String>) {
    match tokens {
        ["::", "{", group @ ..] => {
            let mut depth = 0;
            let mut first = true;
            for token in group {
                match *token {
                    "{" => depth += 1,
                    "}" if depth == 0 => return,
                    "}" => depth -= 1,
                    "," if depth == 0 => first = true,
                    name if first => {
                        modules.insert(name.to_owned());
                        first = false;
                    }
                    _ => {}
                }
            }
        }
        ["::", name, ..] => {
            modules.insert((*name).to_owned());
        }
        _ => {}
    }
}

/// Words, `::`, and single characters; no blanks.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(c) = rest.chars().next() {
        let length = if is_word(c) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// `use` declarations with a star.
pub(super) fn glob_imports(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let uses = tokens.iter().enumerate().filter(|(_, token)| **token == "use");
    uses.filter_map(|(at, _)| {
        let declaration: Vec<&str> = tokens.iter().skip(at).take_while(|token| **token != ";").copied().collect();
        // `impl use<'a>` bounds capture; they are no declarations.
        let is_import = declaration.get(1) != Some(&"<");
        (is_import && declaration.contains(&"*")).then(|| declaration.join(" "))
    })
    .collect()
}
