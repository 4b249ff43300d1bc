//! Actions: what stands between braces, in a filter, or in an array's brackets.
//!
//! client-go: `util/jsonpath/parser.go:parseInsideAction` and what it calls.

use serde_json::Value;

use crate::print::jsonpath::cursor::Cursor;
use crate::print::jsonpath::parse::SyntaxError;
use crate::print::jsonpath::quote;
use crate::print::jsonpath::step::{Comparison, Filter, Slice, Step};

/// An action, read.
#[derive(Debug, Default)]
pub(super) struct Action {
    /// From the current object to what is meant.
    pub(super) steps: Vec<Step>,
    /// Whether it opens or closes a range.
    pub(super) keyword: Option<Keyword>,
}

/// The two words that actions know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    /// `range`.
    Range,
    /// `end`.
    End,
}

// === impl Action ===

impl Action {
    /// Reads an action up to its closing brace; the opening one is already taken.
    pub(super) fn in_braces(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let mut action = Self::default();
        while !cursor.eat("}") {
            if cursor.is_at_end() {
                return Err(SyntaxError::UnclosedAction);
            }
            action.read_piece(cursor)?;
        }
        Ok(action)
    }

    /// Reads a path that fills the whole text.
    fn of_path(text: &str) -> Result<Vec<Step>, SyntaxError> {
        let mut cursor = Cursor::new(text);
        let mut action = Self::default();
        while !cursor.is_at_end() {
            action.read_piece(&mut cursor)?;
        }
        match action.keyword {
            None => Ok(action.steps),
            Some(Keyword::Range) => Err(SyntaxError::Identifier("range".to_owned())),
            Some(Keyword::End) => Err(SyntaxError::Identifier("end".to_owned())),
        }
    }

    fn read_piece(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        if cursor.eat("[?(") {
            self.steps.push(Step::Filter(filter(cursor)?));
            return Ok(());
        }
        if cursor.eat("..") {
            return self.read_descent(cursor);
        }
        match cursor.peek() {
            None | Some('\n' | '\r') => return Err(SyntaxError::UnclosedAction),
            Some(c) if c == '+' || c == '-' || c.is_ascii_digit() => self.steps.push(number(cursor)?),
            Some(c) if is_word(c) => self.read_word(cursor)?,
            Some(c) => {
                cursor.take();
                match c {
                    // The current object: nothing to do.
                    ' ' | '@' | '$' => {}
                    '[' => self.read_brackets(cursor)?,
                    '"' | '\'' => self.steps.push(Step::Quoted(Value::from(quote::read(cursor, c)?))),
                    '.' => self.read_field(cursor),
                    other => return Err(SyntaxError::Character(other)),
                }
            }
        }
        Ok(())
    }

    /// `..`, with the name behind it if there is one.
    fn read_descent(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        if self.steps.last() == Some(&Step::Recursive) {
            return Err(SyntaxError::MultipleDescent);
        }
        self.steps.push(Step::Recursive);
        if cursor.peek().is_some_and(is_word) {
            self.read_field(cursor);
        }
        Ok(())
    }

    /// A name up to the next character that ends one, or `*`. A backslash takes the meaning from the character behind it.
    fn read_field(&mut self, cursor: &mut Cursor<'_>) {
        let mut name = String::new();
        while let Some(c) = cursor.peek().filter(|c| !ends_name(*c)) {
            cursor.take();
            let meant = if c == '\\' { cursor.take() } else { Some(c) };
            name.extend(meant);
        }
        match (name.as_str(), self.steps.last()) {
            ("", _) => {}
            ("*", _) => self.steps.push(Step::wildcard()),
            (_, Some(Step::Recursive)) => {
                self.steps.pop();
                self.steps.push(Step::name_at_any_depth(name));
            }
            (_, _) => self.steps.push(Step::name(name)),
        }
    }

    fn read_word(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        match cursor.take_while(|c| !ends_name(c)) {
            "true" => self.steps.push(Step::Literal(Value::Bool(true))),
            "false" => self.steps.push(Step::Literal(Value::Bool(false))),
            "range" => self.keyword = Some(Keyword::Range),
            "end" => self.keyword = Some(Keyword::End),
            other => return Err(SyntaxError::Identifier(other.to_owned())),
        }
        Ok(())
    }

    fn read_brackets(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        let text = cursor.take_until(']').filter(|text| !text.contains('\n')).ok_or(SyntaxError::UnterminatedArray)?;
        if text.contains(',') {
            let each = text.split(',').map(|part| Self::of_path(&format!("[{}]", part.trim_matches(' '))));
            self.steps.push(Step::Union(each.collect::<Result<_, _>>()?));
        } else if let Some(path) = dictionary_key(text) {
            // Not a name but a path: `['a.b']` is `.a.b`.
            self.steps.extend(Self::of_path(&format!(".{path}"))?);
        } else {
            self.steps.push(Step::Slice(slice(text)?));
        }
        Ok(())
    }
}

/// What `'...'` quotes.
fn dictionary_key(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'').filter(|key| !key.contains('\''))
}

/// `*`, a number, or up to three of them, each of which may be left out.
fn slice(text: &str) -> Result<Slice, SyntaxError> {
    let invalid = || SyntaxError::ArrayIndex(text.to_owned());
    let number = |part: &str| match part {
        "" => Ok(None),
        part if part.starts_with('+') => Err(invalid()),
        part => part.parse::<i64>().map(Some).map_err(|_| invalid()),
    };
    let text = if text == "*" { ":" } else { text };
    let parts: Vec<Option<i64>> = text.split(':').map(number).collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [index] => Ok(Slice::Index(index.unwrap_or(0))),
        [start, end] => Ok(Slice::Range { start: *start, end: *end, step: None }),
        [start, end, step] => Ok(Slice::Range { start: *start, end: *end, step: *step }),
        _ => Err(invalid()),
    }
}

/// `left operator right)]`, or `path)]` alone.
fn filter(cursor: &mut Cursor<'_>) -> Result<Filter, SyntaxError> {
    const STARTS: [char; 4] = ['!', '<', '>', '='];
    let text = filter_text(cursor)?;
    let mut rest = Cursor::new(&text);
    let left = rest.take_while(|c| !STARTS.contains(&c));
    if rest.is_at_end() {
        return Ok(Filter { left: Action::of_path(left)?, right: None });
    }
    let operator = rest.take_while(|c| STARTS.contains(&c) || c == '~');
    let comparison = Comparison::of(operator).ok_or_else(|| SyntaxError::Operator(operator.to_owned()))?;
    let right = Action::of_path(rest.take_while(|_| true))?;
    Ok(Filter { left: Action::of_path(left)?, right: Some((comparison, right)) })
}

/// Everything up to the `)` that no quotes surround, and the `]` behind it.
fn filter_text(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let mut text = String::new();
    let mut quote = None;
    loop {
        let c = cursor.take().filter(|c| *c != '\n').ok_or(SyntaxError::UnterminatedFilter)?;
        match (c, quote) {
            (')', None) => break,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (_, _) => {}
        }
        text.push(c);
        if c == '\\' {
            text.extend(cursor.take());
        }
    }
    if cursor.eat("]") { Ok(text) } else { Err(SyntaxError::UnclosedArray) }
}

fn number(cursor: &mut Cursor<'_>) -> Result<Step, SyntaxError> {
    let sign = if cursor.eat("-") { "-" } else { "" };
    cursor.eat("+");
    let text = format!("{sign}{}", cursor.take_while(|c| c.is_ascii_digit() || c == '.'));
    let whole = text.parse::<i64>().map(Value::from);
    let value = whole.or_else(|_| text.parse::<f64>().map(Value::from));
    value.map(Step::Literal).map_err(|_| SyntaxError::Number(text))
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// client-go: `parser.go:isTerminator`.
fn ends_name(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}
