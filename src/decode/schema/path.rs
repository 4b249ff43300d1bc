//! Where a field stands in an object.

use std::fmt;

/// A path from the top of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::decode) struct Path(pub(in crate::decode) Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::decode) enum Step {
    /// A field of the schema: `.mtls`.
    Field(String),
    /// An item of a list: `[0]`.
    Item(usize),
    /// A key that the user chose: `[80]`.
    Key(String),
}

// === impl Path ===

impl Path {
    /// The path of fields.
    pub(in crate::decode) fn of(fields: &[&str]) -> Self {
        Self(fields.iter().map(|field| Step::Field((*field).to_owned())).collect())
    }

    /// This path and a field.
    pub(in crate::decode) fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.to_owned()))
    }

    /// This path and an item.
    pub(in crate::decode) fn item(&self, index: usize) -> Self {
        self.with(Step::Item(index))
    }

    /// This path and a key.
    pub(in crate::decode) fn key(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(number) => write!(f, "[{number}]")?,
                Step::Key(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

// === impl Step ===

impl Step {
    /// The key it is in a JSON object; `None` for items.
    pub(in crate::decode) fn name(&self) -> Option<&str> {
        match self {
            Self::Field(name) | Self::Key(name) => Some(name),
            Self::Item(_) => None,
        }
    }
}
