//! `-o`: which format is asked for, in kubectl's spelling and with kubectl's complaints.

use std::io;
use std::str::FromStr;

use crate::print::Format;
use crate::print::jsonpath::{SyntaxError, Template};

/// What `-o` accepts, sorted as kubectl sorts them.
pub const FORMATS: [&str; 8] =
    ["json", "jsonpath", "jsonpath-as-json", "jsonpath-file", "name", "table", "wide", "yaml"];

/// Why an argument of `-o` names no format, in the words of `k8s.io/cli-runtime/pkg/genericclioptions`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is no such format (`print_flags.go:NoCompatiblePrinterError`).
    #[error(
        "unable to match a printer suitable for the output format {0:?}, allowed formats are: {list}",
        list = FORMATS.join(",")
    )]
    Unknown(String),
    /// `jsonpath` without `=TEMPLATE` (`jsonpath_flags.go:ToPrinter`).
    #[error("template format specified but no template given")]
    NoTemplate,
    /// The template does not parse.
    #[error("error parsing jsonpath {template}, {source}")]
    Template {
        /// The template.
        template: String,
        /// What is wrong with it.
        source: SyntaxError,
    },
    /// The file of `jsonpath-file=` cannot be read.
    #[error("error reading --template {file}, {why}")]
    File {
        /// The file.
        file: String,
        /// Why not.
        why: String,
    },
}

// === impl Format ===

impl Format {
    /// Reads an argument of `-o`; `read` gives the text of the file that `jsonpath-file=` names.
    pub fn parse(text: &str, read: impl FnOnce(&str) -> io::Result<String>) -> Result<Self, FormatError> {
        match text.split_once('=') {
            None => Self::without_argument(text),
            Some(("jsonpath" | "jsonpath-as-json" | "jsonpath-file", "")) => Err(FormatError::NoTemplate),
            Some(("jsonpath", template)) => Ok(Self::JsonPath(parsed(template)?)),
            Some(("jsonpath-as-json", template)) => Ok(Self::JsonPath(parsed(template)?.as_json())),
            Some(("jsonpath-file", file)) => {
                let why = |error: io::Error| FormatError::File { file: file.to_owned(), why: error.to_string() };
                Ok(Self::JsonPath(parsed(&read(file).map_err(why)?)?))
            }
            Some(_) => Err(FormatError::Unknown(text.to_owned())),
        }
    }

    fn without_argument(text: &str) -> Result<Self, FormatError> {
        // kubectl reads these names without regard to case (`json_yaml_flags.go:ToPrinter`).
        match text.to_lowercase().as_str() {
            "table" | "" => Ok(Self::Table),
            "wide" => Ok(Self::Wide),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "name" => Ok(Self::Name),
            "jsonpath" | "jsonpath-as-json" | "jsonpath-file" => Err(FormatError::NoTemplate),
            _ => Err(FormatError::Unknown(text.to_owned())),
        }
    }
}

/// For arguments that name no file: `jsonpath-file=` is refused here, [`Format::parse`] reads it.
impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text, |_| Err(io::Error::new(io::ErrorKind::Unsupported, "files are not read here")))
    }
}

fn parsed(template: &str) -> Result<Template, FormatError> {
    Template::parse(template).map_err(|source| FormatError::Template { template: template.to_owned(), source })
}
