//! What a gateway may answer, by what its callers can know. Nothing of the product is in here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::book::{Book, KeyFact, Outage};

/// How long a gateway goes on by what it knows.
pub(crate) const TRUST: Duration = Duration::from_secs(4);
/// How much longer a busy machine may make it look: callers look at the clock before they send.
const LATE: Duration = Duration::from_millis(750);
/// What is known was last confirmed up to a second before the database went away; and the clock is looked at later.
const EARLY: Duration = Duration::from_millis(1500);

/// One call and its answer.
pub(crate) struct Answered<'a> {
    /// The place of the key.
    pub(crate) at: usize,
    /// What was known of the key before it was sent, and after it was answered.
    pub(crate) before: &'a KeyFact,
    pub(crate) after: &'a KeyFact,
    pub(crate) outage: Option<Outage>,
    pub(crate) sent: Instant,
    /// When the gateway was last given anything by the database, at the time of the answer.
    pub(crate) heard: Instant,
    pub(crate) status: u16,
    pub(crate) body: &'a str,
}

/// What was measured.
#[derive(Debug, Default, Clone)]
pub(crate) struct Figures {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) unavailable: u64,
    /// The longest time since the database was heard at which a call was answered.
    pub(crate) longest_trust: Duration,
    /// The shortest time after an outage's beginning at which a gateway closed.
    pub(crate) shortest_trust: Option<Duration>,
    /// The longest time after the acknowledged end of a key at which it opened.
    pub(crate) longest_after_end: Duration,
}

/// What one gateway has answered so far.
#[derive(Default)]
pub(crate) struct GatewayRules {
    /// The newest key that it let in.
    pub(crate) newest: Option<usize>,
    /// Whether keys that it once let in were refused since.
    was_refused: HashMap<usize, bool>,
    pub(crate) figures: Figures,
}

impl GatewayRules {
    /// Holds an answer against all that came before.
    pub(crate) fn look(&mut self, answered: &Answered<'_>, book: &Book) {
        let id = &answered.before.id;
        let wrong = match answered.status {
            200 => self.let_in(answered),
            401 => self.refused(answered),
            503 => self.unavailable(answered),
            other => Some(format!("{other}: {}", answered.body)),
        };
        if let Some(wrong) = wrong {
            book.is_wrong(format!("key {} ({id}): {wrong}", answered.at));
        }
    }

    fn let_in(&mut self, answered: &Answered<'_>) -> Option<String> {
        let Answered { at, before, sent, heard, .. } = answered;
        self.figures.answered += 1;
        let trusted = sent.saturating_duration_since(*heard);
        self.figures.longest_trust = self.figures.longest_trust.max(trusted);
        let after_end = before.ended.map(|ended| sent.saturating_duration_since(ended)).unwrap_or_default();
        self.figures.longest_after_end = self.figures.longest_after_end.max(after_end);
        let later = self.newest.filter(|newest| newest > at);
        self.newest = self.newest.max(Some(*at));
        if self.was_refused.insert(*at, false) == Some(true) {
            Some("opened again after it was refused".to_owned())
        } else if let Some(later) = later {
            Some(format!("opened after key {later}, which is newer"))
        } else if trusted > TRUST + LATE {
            Some(format!("opened {trusted:?} after the database was last heard"))
        } else if after_end > TRUST + LATE {
            Some(format!("opened {after_end:?} after its end"))
        } else {
            None
        }
    }

    fn refused(&mut self, answered: &Answered<'_>) -> Option<String> {
        self.figures.refused += 1;
        // One that was never let in may not have been heard of.
        let was_refused = self.was_refused.get_mut(&answered.at)?;
        *was_refused = true;
        let after = answered.after;
        (!after.may_have_ended && after.ended.is_none()).then(|| format!("refused, and it is live: {}", answered.body))
    }

    fn unavailable(&mut self, answered: &Answered<'_>) -> Option<String> {
        self.figures.unavailable += 1;
        if !answered.body.contains("\"store_unavailable\"") {
            return Some(format!("503: {}", answered.body));
        }
        let Some(outage) = answered.outage else {
            return Some(format!("closed while nothing was wrong: {}", answered.body));
        };
        let after = answered.sent.saturating_duration_since(outage.since);
        if !outage.is_silent {
            return None;
        }
        let shortest = self.figures.shortest_trust.get_or_insert(after);
        *shortest = after.min(*shortest);
        (after + EARLY < TRUST).then(|| format!("closed {after:?} after the outage began: {}", answered.body))
    }
}
