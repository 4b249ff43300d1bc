//! Problems with their place in a file.

use serde_json::Value;

use crate::decode::documents::{Sheet, Unreadable};
use crate::decode::kind::{Kind, kind, title};
use crate::decode::lines::{Lines, Spot};
use crate::decode::metadata::name;
use crate::decode::schema::{self, FieldProblem, FieldProblemKind, Finding, Step};
use crate::decode::value::{at, text};
use crate::decode::{Problem, ProblemSeverity};

/// A file that problems are found in.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// Path as the user gave it.
    pub(super) name: &'a str,
    /// Its text.
    pub(super) lines: Lines<'a>,
}

/// Where a value stands: in which document of which sheet, and behind which steps.
#[derive(Debug)]
pub(super) struct Source<'s, 'a> {
    /// The stretch of the file.
    pub(super) sheet: &'s Sheet<'a>,
    /// The document in it.
    pub(super) document: usize,
    /// The way from the top of the document.
    pub(super) steps: Vec<Step>,
    /// Its first line.
    pub(super) begin: Spot,
}

// === impl File ===

impl<'a> File<'a> {
    /// What is missing for a value to be an object of Kubernetes.
    pub(super) fn identity(&self, object: &Value, begin: Spot) -> Option<Problem> {
        let wrong = |message: String| self.at(begin, ProblemSeverity::Error, message);
        let there = |field: &str| text(object, &[field]).is_some_and(|text| !text.is_empty());
        if !object.is_object() {
            return Some(wrong("this document is no object of Kubernetes".to_owned()));
        }
        if let Some(field) = ["apiVersion", "kind"].into_iter().find(|field| !there(field)) {
            let problem = wrong(format!("this document is no object of Kubernetes: it has no `{field}`"));
            return Some(Problem { hint: Some("every object has an `apiVersion` and a `kind`".to_owned()), ..problem });
        }
        let named = !name(object).is_empty() || at(object, &["metadata", "name"]).is_some_and(|name| !name.is_string());
        if !matches!(kind(object), Kind::Silent | Kind::Foreign) && !named {
            let kind = text(object, &["kind"]).unwrap_or("object");
            return Some(wrong(format!("this {kind} has no `metadata.name`, so it is left out")));
        }
        let served = schema::unserved(object)?.join(", ");
        let version = text(object, &["apiVersion"]).unwrap_or_default();
        let message =
            format!("`{version}` has no {}, so it is left out", text(object, &["kind"]).unwrap_or("such kind"));
        Some(Problem {
            object: Some(title(object)),
            hint: Some(format!("the versions that are served: {served}")),
            ..wrong(message)
        })
    }

    /// A field that is wrong. Of an object that an API server has let in, nothing is refused any more.
    pub(super) fn field(&self, object: &Value, finding: Finding, source: &Source<'_, 'a>, let_in: bool) -> Problem {
        let mut steps = source.steps.clone();
        steps.extend(finding.path.0.iter().cloned());
        let found = source.sheet.find(source.document, &steps);
        let problem = FieldProblem::from(finding);
        let (spot, width) = match &problem.kind {
            FieldProblemKind::WrongEnum { value, .. } => (found.value, value.chars().count()),
            FieldProblemKind::Unknown { .. } | FieldProblemKind::WrongType { .. } | FieldProblemKind::Invalid(_) => {
                let name = steps.last().and_then(Step::name).filter(|_| found.complete);
                (found.key, name.map_or(1, |name| name.chars().count()))
            }
        };
        let refused = problem.is_refusal() && !let_in;
        let (severity, end) = if refused {
            (ProblemSeverity::Error, "; an API server refuses the object, so it is left out")
        } else {
            (ProblemSeverity::Warning, "")
        };
        let message = format!("{}{end}", problem.message());
        Problem {
            object: Some(title(object)),
            field: Some(problem.path),
            hint: problem.hint,
            snippet: self.lines.harmless_snippet(spot, width),
            ..self.at(spot, severity, message)
        }
    }

    /// Keys that stand twice.
    pub(super) fn doubles(&self, sheet: &Sheet<'a>) -> Vec<Problem> {
        let double = |(path, spot): (schema::Path, Spot)| Problem {
            field: Some(path.to_string()),
            hint: Some("strict validation, kubectl's default, refuses the object".to_owned()),
            snippet: self
                .lines
                .harmless_snippet(spot, path.0.last().and_then(Step::name).map_or(1, |name| name.chars().count())),
            ..self.at(spot, ProblemSeverity::Warning, format!("the key `{path}` stands twice; the last one counts"))
        };
        sheet.doubles().into_iter().map(double).collect()
    }

    /// A document that cannot be read.
    pub(super) fn unreadable(&self, unreadable: &Unreadable) -> Problem {
        let line = unreadable.spot.and_then(|spot| self.lines.line(spot.line)).unwrap_or_default();
        let hint = if line.contains("{{") {
            Some("it looks like a template: render it first, for instance with `helm template`")
        } else if line.trim_start_matches(' ').starts_with('\t') {
            Some("YAML takes no tabs for indentation: use spaces")
        } else {
            None
        };
        Problem {
            file: Some(self.name.to_owned()),
            line: unreadable.spot.map(|spot| spot.line),
            column: unreadable.spot.map(|spot| spot.column),
            hint: hint.map(str::to_owned),
            snippet: unreadable.spot.and_then(|spot| self.lines.harmless_snippet(spot, 1)),
            ..Problem::new(ProblemSeverity::Error, format!("this document cannot be read: {}", unreadable.why))
        }
    }

    fn at(&self, spot: Spot, severity: ProblemSeverity, message: String) -> Problem {
        Problem {
            file: Some(self.name.to_owned()),
            line: Some(spot.line),
            column: Some(spot.column),
            ..Problem::new(severity, message)
        }
    }
}
