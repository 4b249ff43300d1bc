//! What stands after the question mark.

use crate::lab::kube_api::selector::Selector;
use crate::lab::kube_api::status::Refusal;

/// A query string, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// What a list or watch asks for.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Labels and fields to match.
    pub selector: Selector,
    /// Whether to stay and tell what changes.
    pub watch: bool,
    /// Items per page; all where absent.
    pub limit: Option<usize>,
    /// Where the last page ended.
    pub continue_token: String,
    /// `resourceVersion`; empty where not asked for.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: String,
    /// Whether the client wants to be told how far the stream is.
    pub bookmarks: bool,
    /// Whether a watch begins with what is there, as a stream instead of a list.
    pub send_initial_events: bool,
    /// When a watch ends by itself, in seconds.
    pub timeout_seconds: Option<u64>,
}

/// What a write asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// `dryRun=All`: check and answer, keep nothing.
    pub dry_run: bool,
    /// Who writes; from the user agent where not given.
    pub field_manager: Option<String>,
    /// What to do about fields that do not exist.
    pub field_validation: FieldValidation,
    /// Server-side apply: take fields from other managers.
    pub force: bool,
}

/// `fieldValidation`: what becomes of a field that does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped, with a `Warning` header. The server's default since Kubernetes 1.25.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

// === impl Query ===

impl Query {
    /// Reads a query string; absent is empty.
    #[must_use]
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (form_decode(key), form_decode(value)))
                .collect(),
        )
    }

    /// The first value of a key; empty where absent.
    #[must_use]
    pub fn first(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    /// All values of a key.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Whether a key is there and says yes. Kubernetes: `conversion.Convert_Slice_string_To_bool`.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.all(key).next().is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0"))
    }

    /// The options of a list or watch.
    pub fn list_options(&self) -> Result<ListOptions, Refusal> {
        Ok(ListOptions {
            selector: Selector::parse(self.first("labelSelector"), self.first("fieldSelector"))?,
            watch: self.flag("watch"),
            limit: self.first("limit").parse().ok().filter(|limit| *limit > 0),
            continue_token: self.first("continue").to_owned(),
            resource_version: self.first("resourceVersion").to_owned(),
            resource_version_match: self.first("resourceVersionMatch").to_owned(),
            bookmarks: self.flag("allowWatchBookmarks"),
            send_initial_events: self.flag("sendInitialEvents"),
            timeout_seconds: self.first("timeoutSeconds").parse().ok(),
        })
    }

    /// The options of a write.
    pub fn write_options(&self) -> Result<WriteOptions, Refusal> {
        let dry_run = match self.first("dryRun") {
            "" => false,
            "All" => true,
            other => {
                let message = format!("dryRun: Unsupported value: \"{other}\": supported values: \"All\"");
                return Err(Refusal::bad_request(message));
            }
        };
        let field_validation = match self.first("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let supported = "\"Ignore\", \"Strict\", \"Warn\"";
                let message = format!("fieldValidation: Unsupported value: \"{other}\": supported values: {supported}");
                return Err(Refusal::bad_request(message));
            }
        };
        let field_manager = Some(self.first("fieldManager")).filter(|manager| !manager.is_empty()).map(str::to_owned);
        Ok(WriteOptions { dry_run, field_manager, field_validation, force: self.flag("force") })
    }
}

/// Undoes percent encoding; what is not valid stays as it is.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let byte = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = tail.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn form_decode(text: &str) -> String {
    percent_decode(&text.replace('+', " "))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
