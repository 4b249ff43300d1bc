//! How the process ends: the same for every output format.

use std::process::{ExitCode, Termination};

/// The exit status, in order of precedence: usage, could not work, findings, a failed look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: nothing at or above `--fail-on`.
    Clean,
    /// 1: findings at or above `--fail-on`.
    Findings,
    /// 2: the command line does not make sense.
    Usage,
    /// 3: nothing could be decided, or input could not be read.
    CouldNotWork,
    /// 4: a requested look failed.
    Inconclusive,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::CouldNotWork => 3,
            Self::Inconclusive => 4,
        }
    }

    /// The one that takes precedence: 2 over 3 over 1 over 4 over 0.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Clean => 0,
            Self::Inconclusive => 1,
            Self::Findings => 2,
            Self::CouldNotWork => 3,
            Self::Usage => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn usage_beats_could_not_work_beats_findings_beats_a_failed_look() {
        let order = [Exit::Usage, Exit::CouldNotWork, Exit::Findings, Exit::Inconclusive, Exit::Clean];
        for (rank, stronger) in order.iter().enumerate() {
            for weaker in &order[rank..] {
                assert_eq!(stronger.worst(*weaker), *stronger);
                assert_eq!(weaker.worst(*stronger), *stronger);
            }
        }
        assert_eq!(order.map(Exit::code), [2, 3, 1, 4, 0]);
    }
}
