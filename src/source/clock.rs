//! The cluster's clock. Objects, certificates and proxies are dated by the cluster; who looks at it may have another time.

use std::sync::OnceLock;

use http::header::{DATE, HeaderMap};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use crate::source::cluster::Cluster;

/// How far the server's clock is ahead of this machine's, by the first of its answers.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: OnceLock<SignedDuration>,
}

/// The header has whole seconds, and takes a moment to arrive: less is no difference.
const LEAST: SignedDuration = SignedDuration::from_secs(5);

// === impl Clock ===

impl Clock {
    /// Reads the headers of an answer that arrives now. Date: RFC 9110, section 6.6.1.
    pub(crate) fn read(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| DateTimeParser::new().parse_timestamp(value.as_bytes()).ok());
        if let Some(date) = date {
            self.ahead.get_or_init(|| ahead(date, Timestamp::now()));
        }
    }
}

fn ahead(server: Timestamp, here: Timestamp) -> SignedDuration {
    let ahead = server.duration_since(here);
    if ahead.abs() < LEAST { SignedDuration::ZERO } else { ahead }
}

// === impl Cluster: its time ===

impl Cluster {
    /// How far the server's clock is ahead of this machine's; nothing below five seconds, or where no answer told it.
    #[must_use]
    pub fn ahead(&self) -> SignedDuration {
        self.clock.ahead.get().copied().unwrap_or(SignedDuration::ZERO)
    }

    /// What time it is there.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let here = Timestamp::now();
        here.checked_add(self.ahead()).unwrap_or(here)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use http::header::{DATE, HeaderMap, HeaderValue};
    use jiff::{SignedDuration, Timestamp};

    fn after(dates: &[&str]) -> Option<SignedDuration> {
        let clock = Clock::default();
        for date in dates {
            clock.read(&HeaderMap::from_iter([(DATE, HeaderValue::from_str(date).unwrap())]));
        }
        clock.ahead.get().copied()
    }

    #[test]
    fn the_first_date_that_can_be_read_counts() {
        let old = "Sun, 06 Nov 1994 08:49:37 GMT";
        let ahead = after(&["yesterday", "", old, "Sun, 06 Nov 2044 08:49:37 GMT"]).unwrap();
        let due: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        let off = due.duration_since(Timestamp::now()) - ahead;
        assert!(off.abs() < SignedDuration::from_secs(60), "{ahead:?}");
        assert_eq!(after(&["yesterday"]), None);
    }

    #[test]
    fn what_a_request_takes_is_no_difference() {
        let here: Timestamp = "2026-01-01T00:00:04.9Z".parse().unwrap();
        let ahead = |server: &str| super::ahead(server.parse().unwrap(), here);
        assert_eq!(ahead("2026-01-01T00:00:00Z"), SignedDuration::ZERO);
        assert_eq!(ahead("2026-01-01T00:10:05Z").as_secs(), 600);
        assert_eq!(ahead("2025-12-31T23:00:04Z").as_secs(), -3600);
    }
}
