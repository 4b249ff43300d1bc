//! How long ago, in the words of `kubectl get`.

/// The time since a timestamp: `96s`, `4d1h`. `<unknown>` for what is none.
pub(super) fn since(timestamp: &str) -> String {
    match timestamp.parse::<jiff::Timestamp>() {
        Ok(then) => words(jiff::Timestamp::now().as_second().saturating_sub(then.as_second())),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// Kubernetes: `apimachinery/pkg/util/duration/duration.go:HumanDuration`.
fn words(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |first: i64, unit: &str, second: i64, small: &str| {
        if second == 0 { format!("{first}{unit}") } else { format!("{first}{unit}{second}{small}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 | 0 => "0s".to_owned(),
        1..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    /// Rows of Kubernetes' own `duration_test.go:TestHumanDuration`.
    #[test]
    fn ages_are_kubernetes_own() {
        for (seconds, expected) in [
            (1, "1s"),
            (70, "70s"),
            (190, "3m10s"),
            (70 * 60, "70m"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (8 * 24 * 3600 + 2 * 3600, "8d"),
            (367 * 24 * 3600, "367d"),
            (4 * 365 * 24 * 3600, "4y"),
            (-5, "<invalid>"),
            (10 * 60, "10m"),
            (4 * 3600 + 5 * 60, "4h5m"),
        ] {
            assert_eq!(words(seconds), expected, "{seconds}");
        }
    }
}
