//! Templates: text, actions, and ranges that hold more of both.

use crate::print::jsonpath::action::{Action, Keyword};
use crate::print::jsonpath::cursor::Cursor;
use crate::print::jsonpath::step::{Node, Step};

/// Why a template cannot be read, in client-go's words (`util/jsonpath/parser.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// `{` without `}`.
    #[error("unclosed action")]
    UnclosedAction,
    /// A character that starts nothing.
    #[error("unrecognized character in action: U+{code:04X} '{0}'", code = u32::from(*.0))]
    Character(char),
    /// A word other than `range` and `end`.
    #[error("unrecognized identifier {0}")]
    Identifier(String),
    /// `....`
    #[error("invalid multiple recursive descent")]
    MultipleDescent,
    /// A number with two points, or a lone sign.
    #[error("cannot parse number {0}")]
    Number(String),
    /// `[` without `]`.
    #[error("unterminated array")]
    UnterminatedArray,
    /// Neither numbers nor names.
    #[error("invalid array index {0}")]
    ArrayIndex(String),
    /// `[?(` without `)`.
    #[error("unterminated filter")]
    UnterminatedFilter,
    /// `[?(...)` without `]`.
    #[error("unclosed array expect ]")]
    UnclosedArray,
    /// Something that does not compare.
    #[error("unrecognized filter operator {0}")]
    Operator(String),
    /// A quote without its partner.
    #[error("unterminated quoted string")]
    UnterminatedQuote,
    /// An escape sequence that Go does not have.
    #[error("unquote string {0} error invalid syntax")]
    Unquote(String),
    /// `{end}` without `{range}`.
    #[error("not in range, nothing to end")]
    NothingToEnd,
}

/// Reads a template. A missing `{end}` is tolerated, as kubectl does.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut cursor = Cursor::new(text);
    let mut open: Vec<(Vec<Step>, Vec<Node>)> = Vec::new();
    let mut nodes = Vec::new();
    while !cursor.is_at_end() {
        let text = cursor.take_while(|c| c != '{');
        if !text.is_empty() {
            nodes.push(Node::Text(text.to_owned()));
        }
        if !cursor.eat("{") {
            break;
        }
        let Action { steps, keyword } = Action::in_braces(&mut cursor)?;
        match keyword {
            None => nodes.push(Node::Path(steps)),
            Some(Keyword::Range) => open.push((steps, std::mem::take(&mut nodes))),
            Some(Keyword::End) => close(&mut open, &mut nodes).ok_or(SyntaxError::NothingToEnd)?,
        }
    }
    while close(&mut open, &mut nodes).is_some() {}
    Ok(nodes)
}

/// Makes what was read since the innermost range its body.
fn close(open: &mut Vec<(Vec<Step>, Vec<Node>)>, nodes: &mut Vec<Node>) -> Option<()> {
    let (steps, before) = open.pop()?;
    let body = std::mem::replace(nodes, before);
    nodes.push(Node::Range(steps, body));
    Some(())
}
