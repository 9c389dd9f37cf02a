//! Access at hand, and what is said where there is none.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::Revision;
use crate::clock::{Clock, UnixMs};
use crate::error::Error;
use crate::provider::{AuthorityFailure, GraphUrl, Provider};

/// Fresh access to Microsoft Graph.
pub struct Fresh {
    pub token: SecretString,
    pub expires_at: UnixMs,
    pub scopes: Vec<String>,
    /// The Graph that it is for.
    pub graph: GraphUrl,
    /// Whose API that is.
    pub provider: Provider,
}

/// What is known of a connection besides its row. All of it came of the row as it was at this revision, and ends with
/// that.
pub(super) struct LiveAccess {
    pub(super) revision: Revision,
    pub(super) access: Option<Access>,
    pub(super) pause: Option<Pause>,
    /// Whether its sign-in was looked for in the vault and not found. What is missing now may be there later, so this
    /// is written down nowhere.
    pub(super) is_missing: bool,
}

impl LiveAccess {
    pub(super) fn of(revision: Revision) -> Self {
        Self { revision, access: None, pause: None, is_missing: false }
    }
}

/// For how long nothing is asked, and why.
#[derive(Clone)]
pub(super) struct Pause {
    /// On the stopwatch.
    pub(super) until: Duration,
    pub(super) why: String,
    /// Whether it fails, and does not only wait.
    pub(super) is_failing: bool,
    /// The last refresh before it: a later one, of another process, ends it.
    pub(super) refreshed_at: UnixMs,
}

impl Pause {
    /// What whoever asks meanwhile is told; `None`: it is over.
    pub(super) fn error(&self, stopwatch: Duration) -> Option<Error> {
        let left = self.until.checked_sub(stopwatch).filter(|left| !left.is_zero())?;
        let why = self.why.clone();
        Some(if self.is_failing { Error::ConnectionFailing(why) } else { Error::Waiting { why, left } })
    }
}

#[derive(Clone)]
pub(super) struct Access {
    pub(super) token: SecretString,
    /// By the clock, which may have been set since.
    pub(super) expires_at: UnixMs,
    /// By the stopwatch, which stands still while the machine sleeps. The earlier of the two counts.
    pub(super) ends: Duration,
    /// From when on it is renewed, before its end.
    pub(super) early: Duration,
    pub(super) scopes: Vec<String>,
    pub(super) graph: GraphUrl,
    pub(super) provider: Provider,
}

impl Access {
    /// What is left of it.
    pub(super) fn left(&self, clock: &Clock) -> Duration {
        let by_clock = u64::try_from(self.expires_at.0.saturating_sub(clock.now().0)).unwrap_or_default();
        self.ends.saturating_sub(clock.stopwatch()).min(Duration::from_millis(by_clock))
    }

    /// With the moment at which it ends by today's clock.
    pub(super) fn fresh(self, clock: &Clock) -> Fresh {
        let expires_at = clock.now().after(self.left(clock));
        let Self { token, scopes, graph, provider, .. } = self;
        Fresh { token, expires_at, scopes, graph, provider }
    }
}

/// Access tokens with less than this left are renewed first.
pub(super) const EARLY: Duration = Duration::from_mins(5);
/// Of shorter lives, this part of it: else each call would renew them.
const EARLY_PART: u32 = 5;

/// When access of this lifetime is renewed, before its end.
pub(super) fn early(lifetime: Duration) -> Duration {
    EARLY.min(lifetime / EARLY_PART)
}

pub(super) const GONE: &str = "The stored sign-in is gone from the keychain. Sign in again.";

pub(super) fn view(error: &Error) -> AuthorityFailure {
    match error {
        // Worded by whoever refused.
        Error::Authority(failure) => failure.clone(),
        other => AuthorityFailure::own(other.to_string().trim_end_matches('.'), other.remedy()),
    }
}

pub(super) fn failure_detail(failure: &AuthorityFailure, toolkit: &str) -> Value {
    json!({
        "toolkit": toolkit,
        "problem": failure.what,
        "aadsts": failure.aadsts,
        "correlation_id": failure.correlation_id,
    })
}
