//! When a conversation is over whose input has ended: decided without a clock.

use std::time::{Duration, Instant};

/// How long nothing may come until the answers are taken to be complete.
pub(super) const QUIET: Duration = Duration::from_millis(500);

/// How long the server may say nothing, until it has shown that it has read what was sent to it.
pub(super) const PROOF: Duration = Duration::from_secs(10);

/// How far a conversation is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// There may be more to send.
    Open,
    /// A ping behind the last message is not answered yet: the answers may still be on their way. Heard of, or sent, at this time.
    Proving(Instant),
    /// The server has read everything, and said something at this time for the last time.
    Quiet(Instant),
    /// At this time, as the user wishes.
    At(Instant),
    /// When something else ends it.
    Never,
}

impl Ending {
    /// The input ends at `now`: a user may wish to wait for so long, or for a number of messages. Whether a ping is to be sent.
    pub(super) fn input_ended(&mut self, now: Instant, wait: Option<Duration>, counting: bool) -> bool {
        *self = match wait {
            // A time that no clock reaches is never.
            Some(wait) => now.checked_add(wait).map_or(Self::Never, Self::At),
            None if counting => Self::Never,
            None => Self::Proving(now),
        };
        matches!(self, Self::Proving(_))
    }

    /// A message came.
    pub(super) fn message(&mut self, now: Instant) {
        if let Self::Quiet(since) | Self::Proving(since) = self {
            *since = now;
        }
    }

    /// The ping was answered.
    pub(super) fn proven(&mut self, now: Instant) {
        if matches!(self, Self::Proving(_)) {
            *self = Self::Quiet(now);
        }
    }

    /// There is a new connection at `now`. Whether a ping is to be sent, as the last one was lost with the connection before.
    pub(super) fn reopened(&mut self, now: Instant) -> bool {
        match self {
            Self::Proving(since) => {
                *since = now;
                true
            }
            _ => false,
        }
    }

    /// How long to stay at the most, be there a connection or not.
    pub(super) fn stays_until(&self) -> Option<Instant> {
        match *self {
            Self::At(at) => Some(at),
            _ => None,
        }
    }

    /// When it is over, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Open | Self::Never => None,
            Self::Proving(since) => Some(since + PROOF),
            Self::Quiet(since) => Some(since + QUIET),
            Self::At(at) => Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_awaited_until_they_stop() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut ending = Ending::Open;
        ending.message(at(0));
        ending.proven(at(0));
        assert_eq!(ending.deadline(), None);
        assert!(!ending.reopened(at(50)));
        assert!(ending.input_ended(at(100), None, false));
        assert!(ending.reopened(at(200)), "the ping was lost");
        assert_eq!(ending.deadline(), Some(at(200) + PROOF));
        ending.message(at(300));
        assert_eq!(ending.deadline(), Some(at(300) + PROOF), "more may be on its way");
        ending.proven(at(400));
        assert_eq!(ending.deadline(), Some(at(900)));
        ending.message(at(800));
        assert_eq!(ending.deadline(), Some(at(1300)));
        ending.proven(at(1000));
        assert_eq!(ending.deadline(), Some(at(1300)), "there is one proof");
    }

    #[test]
    fn a_user_may_know_better() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        for (wait, counting, deadline) in [
            (Some(second), false, Some(start + second)),
            (Some(second), true, Some(start + second)),
            (Some(Duration::ZERO), false, Some(start)),
            (Some(Duration::MAX), false, None),
            (None, true, None),
        ] {
            let mut ending = Ending::Open;
            assert!(!ending.input_ended(start, wait, counting));
            ending.message(start + second / 2);
            ending.proven(start + second / 2);
            assert!(!ending.reopened(start));
            assert_eq!(
                (ending.deadline(), ending.stays_until()),
                (deadline, deadline),
                "{wait:?} {counting}"
            );
        }
    }
}
