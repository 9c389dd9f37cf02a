//! Asking, answering, and what becomes of an answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Approval, ApprovalId, ApprovalState, ApprovalView, Edit, Shown};
use crate::activity::{ActOutcome, Kind, Recorder};
use crate::begun::Begun;
use crate::blocking::blocking;
use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::connections::ConnectionId;
use crate::error::Error;
use crate::keys::KeyId;
use crate::permissions::{Act, Leave};
use crate::port::Store;

/// How long a question waits for its answer.
const WAITS: i64 = UnixMs::DAY;
/// A yes that is not used within this time has lapsed; a no holds for as long.
const ANSWER_HOLDS: i64 = 10 * UnixMs::MINUTE;
/// By so much, the clock may have been corrected between the yes and its use.
const CLOCKS_DIFFER: i64 = UnixMs::MINUTE;
/// For so long, the same act again is a repeat: its outcome is told, and nothing is done.
const REPEATS: i64 = UnixMs::HOUR;
/// How it ended is not known any better later.
const UNKNOWN_HOLDS: i64 = UnixMs::DAY;
/// What is older is forgotten.
const KEPT: i64 = 30 * UnixMs::DAY;
/// For so long, a recipient may be allowed.
const RECIPIENTS_HOLD: i64 = UnixMs::HOUR;
/// So many questions wait at a time: more, nobody answers.
const MOST_WAITING: usize = 50;
/// Questions that are shown.
const MOST_SHOWN: usize = 200;

/// An act that an agent wants.
pub struct AskedAct {
    pub connection: ConnectionId,
    pub account: String,
    pub act: Act,
    /// The tool, or a call of Graph's.
    pub tool: String,
    pub program: String,
    pub key: KeyId,
    pub shown: Shown,
    /// Of [`super::digest`].
    pub digest: [u8; 32],
}

/// Where an act stands that an agent wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActState {
    /// It may be done, once, by whoever was told this; then [`Approvals::end`] is owed.
    Claimed {
        id: ApprovalId,
        /// What is to be done instead, where a person has changed it.
        edited: Option<Box<Shown>>,
    },
    Waiting(ApprovalId),
    Denied,
    /// Somebody else in this process is doing it.
    UnderWay(ApprovalId),
    /// It was begun before, and how it ended is not known.
    Begun,
    /// It was done before, with this outcome.
    Done(Value),
}

/// What else a person says with a yes.
#[derive(Debug, Clone, Default)]
pub struct Yes {
    /// Whoever receives this may receive more for an hour.
    pub recipients_too: bool,
    /// What is to be sent instead.
    pub edit: Edit,
}

/// The approvals of this profile. What is not async blocks on the rows.
pub struct Approvals {
    store: Arc<dyn Store>,
    recorder: Recorder,
    clock: Clock,
    changes: Changes,
    begun: Begun,
    /// Those that this process has begun and not ended.
    under_way: Mutex<HashSet<ApprovalId>>,
}

impl Approvals {
    pub(crate) fn new(store: Arc<dyn Store>, recorder: Recorder, clock: Clock, changes: Changes, begun: Begun) -> Self {
        Self { store, recorder, clock, changes, begun, under_way: Mutex::default() }
    }

    /// Asks whether this may be done now. With [`Leave::Given`] nobody is asked, and it is still done once only.
    pub fn ask(&self, asked: &AskedAct, leave: Leave) -> Result<ActState, Error> {
        let now = self.clock.now();
        let recipients = &asked.shown.recipients;
        let allowed = leave == Leave::Given
            || (asked.shown.are_addresses
                && !recipients.is_empty()
                && self.store.are_allowed(&asked.connection, recipients, now)?);
        let new = Approval {
            id: ApprovalId::generate(),
            connection: asked.connection.clone(),
            account: asked.account.clone(),
            act: asked.act,
            tool: asked.tool.clone(),
            program: asked.program.clone(),
            key: asked.key.clone(),
            digest: asked.digest,
            shown: Some(asked.shown.clone()).filter(|_| !allowed),
            state: if allowed { ApprovalState::Running } else { ApprovalState::Waiting },
            asked_at: now,
            decided_at: None,
            ended_at: None,
            outcome: None,
        };
        let detail = json!({
            "account": asked.account, "tool": asked.tool, "act": asked.act, "program": asked.program,
            "recipients": recipients.len(),
        });
        let entry = self.recorder.entry(Kind::ApprovalAsked, new.id.as_str(), ActOutcome::Done, detail);
        // Until it is known here what the row says: nobody else takes what is begun for something unknown.
        let mut under_way = self.under_way();
        let found = self.store.ask_approval(
            &new,
            (now.plus(-WAITS), now.plus(-KEPT)),
            &|row| holds(row, now) && !(allowed && row.state == ApprovalState::Waiting),
            (!allowed).then_some((&entry, MOST_WAITING)),
        )?;
        let found = found.ok_or(Error::TooManyQuestions)?;
        if found.id == new.id {
            self.changes.publish(Change::Approvals);
        }
        Ok(match found.state {
            ApprovalState::Running if found.id == new.id => {
                under_way.insert(found.id.clone());
                ActState::Claimed { id: found.id, edited: None }
            }
            ApprovalState::Running if under_way.contains(&found.id) => ActState::UnderWay(found.id),
            ApprovalState::Approved => {
                // Somebody else may have used it a moment ago.
                if self.store.claim_approval(&found.id, (now.plus(1 - ANSWER_HOLDS), now.plus(CLOCKS_DIFFER)))? {
                    self.changes.publish(Change::Approvals);
                    under_way.insert(found.id.clone());
                    let edited = found.shown.filter(|shown| shown.is_edited).map(Box::new);
                    ActState::Claimed { id: found.id, edited }
                } else {
                    ActState::UnderWay(found.id)
                }
            }
            ApprovalState::Done => {
                ActState::Done(found.outcome.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default())
            }
            ApprovalState::Denied => ActState::Denied,
            ApprovalState::Waiting => ActState::Waiting(found.id),
            ApprovalState::Running | ApprovalState::Failed | ApprovalState::Lapsed => ActState::Begun,
        })
    }

    /// Whoever claimed it is gone: how it ended is not known, and that is put on record in a task of its own. Where that
    /// fails, the next start does it.
    pub fn abandon(self: &Arc<Self>, id: ApprovalId) {
        self.under_way().remove(&id);
        self.changes.publish(Change::Approvals);
        let this = self.clone();
        self.begun.leave(async move {
            if let Err(error) = this.give_up(&id) {
                tracing::error!(%error, "an act was begun and given up, and is not on record");
            }
        });
    }

    /// Whoever claimed it was gone before anything was done: it had no effect.
    pub fn release(self: &Arc<Self>, id: ApprovalId) {
        let this = self.clone();
        self.begun.leave(async move {
            if let Err(error) = this.end(&id, None) {
                tracing::error!(%error, "an act that was not begun could not be released");
            }
        });
    }

    /// Puts on record what processes before this one have begun and not ended. For the service: there is one. What
    /// another `serve` beside it does at this very moment is on record twice, the second time as it ended.
    pub fn give_up_left_over(&self) -> Result<(), Error> {
        let left: Vec<_> = {
            let under_way = self.under_way();
            let begun = self.store.begun_approvals()?;
            begun.into_iter().map(|row| row.id).filter(|id| !under_way.contains(id)).collect()
        };
        left.iter().try_for_each(|id| self.give_up(id))
    }

    fn give_up(&self, id: &ApprovalId) -> Result<(), Error> {
        let row = self.store.approval(id)?.ok_or(Error::ApprovalNotFound)?;
        let entry = self.recorder.entry(Kind::ActPerformed, id.as_str(), ActOutcome::Unknown, performed(&row));
        if self.store.give_up_approval(id, self.clock.now(), &entry)? {
            self.changes.publish(Change::Approvals);
        }
        Ok(())
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashSet<ApprovalId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody has answered, and whoever does it has done it, or for so long.
    pub async fn answered(self: &Arc<Self>, id: &ApprovalId, longest: Duration) -> Result<(), Error> {
        // From before the first look: nothing is missed between the two.
        let mut changes = self.changes.subscribe();
        let waits = async {
            loop {
                let (this, id) = (self.clone(), id.clone());
                let row = blocking(move || Ok(this.store.approval(&id)?)).await?;
                let goes_on = |row: Approval| match row.state {
                    ApprovalState::Waiting => true,
                    ApprovalState::Running => self.under_way().contains(&row.id),
                    _ => false,
                };
                if !row.is_some_and(goes_on) {
                    return Ok(());
                }
                loop {
                    match changes.recv().await {
                        Ok(Change::Approvals) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => break,
                        Ok(_) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => return Ok(()),
                    }
                }
            }
        };
        tokio::time::timeout(longest, waits).await.unwrap_or(Ok(()))
    }

    /// A person says yes, to what was shown or to what is written instead.
    ///
    /// # Errors
    /// That the question is not open any more, or that it can't be answered in this way.
    pub fn approve(&self, id: &ApprovalId, yes: &Yes) -> Result<(), Error> {
        let row = self.row(id)?;
        // What has ended shows nothing; that is told below.
        let shown = row.shown.clone().map(|shown| shown.with(&yes.edit)).transpose()?;
        if yes.recipients_too && !shown.as_ref().is_some_and(|shown| shown.are_addresses) {
            return Err(Error::RecipientsNotKnown);
        }
        let edited = shown.as_ref().filter(|shown| shown.is_edited);
        self.decide(&row, ApprovalState::Approved, edited, yes.recipients_too)?;
        if let Some(shown) = shown.filter(|_| yes.recipients_too) {
            let until = self.clock.now().plus(RECIPIENTS_HOLD);
            self.store.allow_recipients(&row.connection, &shown.recipients, until)?;
        }
        self.changes.publish(Change::Approvals);
        Ok(())
    }

    /// A person says no.
    pub fn deny(&self, id: &ApprovalId) -> Result<(), Error> {
        self.decide(&self.row(id)?, ApprovalState::Denied, None, false)?;
        self.changes.publish(Change::Approvals);
        Ok(())
    }

    fn row(&self, id: &ApprovalId) -> Result<Approval, Error> {
        self.store.approval(id)?.ok_or(Error::ApprovalNotFound)
    }

    fn decide(&self, row: &Approval, to: ApprovalState, edited: Option<&Shown>, recipients: bool) -> Result<(), Error> {
        let now = self.clock.now();
        let detail = json!({
            "account": row.account, "tool": row.tool, "act": row.act, "program": row.program,
            "recipients_too": recipients, "edited": edited.is_some(),
        });
        let kind = if to == ApprovalState::Denied { Kind::ApprovalDenied } else { Kind::ApprovalGiven };
        let entry = self.recorder.entry(kind, row.id.as_str(), ActOutcome::Done, detail);
        if self.store.decide_approval(&row.id, to, edited, (now, now.plus(-WAITS)), &entry)? {
            Ok(())
        } else {
            Err(Error::ApprovalEnded)
        }
    }

    /// What came of an act that was claimed. `None`: it failed, and had no effect.
    pub fn end(&self, id: &ApprovalId, outcome: Option<&Value>) -> Result<(), Error> {
        let row = self.row(id)?;
        let (state, act) = match outcome {
            Some(_) => (ApprovalState::Done, ActOutcome::Done),
            None => (ApprovalState::Failed, ActOutcome::Failed),
        };
        let entry = self.recorder.entry(Kind::ActPerformed, id.as_str(), act, performed(&row));
        let kept = outcome.map(Value::to_string);
        let ended = self.store.end_approval(id, state, kept.as_deref(), self.clock.now(), &entry);
        self.under_way().remove(id);
        self.changes.publish(Change::Approvals);
        ended.map_err(Error::from)
    }

    /// The latest questions, the newest first.
    pub fn list(&self) -> Result<Vec<ApprovalView>, Error> {
        let now = self.clock.now();
        Ok(self.store.approvals(MOST_SHOWN)?.into_iter().map(|row| view(row, now)).collect())
    }

    /// The question of this id.
    pub fn view(&self, id: &ApprovalId) -> Result<ApprovalView, Error> {
        Ok(view(self.row(id)?, self.clock.now()))
    }

    /// Those that wait for a person, the oldest first.
    pub fn waiting(&self) -> Result<Vec<ApprovalView>, Error> {
        let now = self.clock.now();
        Ok(self.store.waiting_approvals(now.plus(-WAITS))?.into_iter().map(|row| view(row, now)).collect())
    }
}

/// What is recorded of an act that was begun.
fn performed(row: &Approval) -> Value {
    json!({ "account": row.account, "tool": row.tool, "act": row.act, "program": row.program, "asked": row.decided_at.is_some() })
}

/// Whether this row answers the same question now.
fn holds(row: &Approval, now: UnixMs) -> bool {
    let within = |at: Option<UnixMs>, span: i64| at.is_some_and(|at| now.0 - at.0 < span);
    match row.state {
        ApprovalState::Waiting => within(Some(row.asked_at), WAITS),
        // A clock that was set back does not make a yes last longer.
        ApprovalState::Approved => {
            within(row.decided_at, ANSWER_HOLDS) && row.decided_at.is_some_and(|at| at.0 <= now.0 + CLOCKS_DIFFER)
        }
        ApprovalState::Denied => within(row.decided_at, ANSWER_HOLDS),
        ApprovalState::Running => within(row.decided_at.or(Some(row.asked_at)), UNKNOWN_HOLDS),
        // What may be done again is asked about again.
        ApprovalState::Done => matches!(row.act, Act::Send | Act::Delete) && within(row.ended_at, REPEATS),
        ApprovalState::Failed | ApprovalState::Lapsed => false,
    }
}

fn view(row: Approval, now: UnixMs) -> ApprovalView {
    let open = matches!(row.state, ApprovalState::Waiting | ApprovalState::Approved);
    let state = if open && !holds(&row, now) { ApprovalState::Lapsed } else { row.state };
    let Approval { id, connection, account, act, tool, program, shown, asked_at, decided_at, ended_at, .. } = row;
    ApprovalView { id, connection, account, act, tool, program, shown, state, asked_at, decided_at, ended_at }
}
