//! Quoted strings with Go's escape sequences.

use crate::print::jsonpath::cursor::Cursor;
use crate::print::jsonpath::parse::SyntaxError;

/// Reads up to the closing quote; the opening one is already taken.
pub(super) fn read(cursor: &mut Cursor<'_>, quote: char) -> Result<String, SyntaxError> {
    let mut text = String::new();
    loop {
        match cursor.take() {
            None | Some('\n') => return Err(SyntaxError::UnterminatedQuote),
            Some(c) if c == quote => return Ok(text),
            Some('\\') => {
                let escaped = escape(cursor, quote);
                text.push(escaped.ok_or_else(|| SyntaxError::Unquote(format!("{quote}{text}\\{quote}")))?);
            }
            Some(c) => text.push(c),
        }
    }
}

/// Go: `strconv.UnquoteChar`. A quote may be escaped only within its own kind.
fn escape(cursor: &mut Cursor<'_>, quote: char) -> Option<char> {
    match cursor.take()? {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' => Some('\\'),
        'x' => code(cursor, String::new(), 2, 16),
        'u' => code(cursor, String::new(), 4, 16),
        'U' => code(cursor, String::new(), 8, 16),
        c if c.is_digit(8) => code(cursor, c.to_string(), 3, 8),
        c if c == quote => Some(c),
        _ => None,
    }
}

/// A character by its number, of which the first digits may be there already.
fn code(cursor: &mut Cursor<'_>, mut digits: String, length: usize, radix: u32) -> Option<char> {
    while digits.len() < length {
        digits.push(cursor.take().filter(|c| c.is_digit(radix))?);
    }
    char::from_u32(u32::from_str_radix(&digits, radix).ok()?)
}
