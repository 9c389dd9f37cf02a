//! Rows of questions and of acts that are done once, behind the same rule as all rows: one method is one unit of work.

use crate::activity::Entry;
use crate::approvals::{Approval, ApprovalId, ApprovalState, Shown};
use crate::clock::UnixMs;
use crate::connections::ConnectionId;
use crate::error::StoreError;

/// What agents want to do, and what a person said to it.
pub trait ApprovalRows {
    /// The question of the same digest for which `is_same` says that it holds, what was begun or done before all others; else this new one, in
    /// place of those that are still open. What waits since before the first of these moments has lapsed, and what was
    /// asked before the second is forgotten. `question`: what is recorded of a new one that waits, and how many may; `None`
    /// is returned where that many do.
    fn ask_approval(
        &self,
        new: &Approval,
        since: (UnixMs, UnixMs),
        is_same: &dyn Fn(&Approval) -> bool,
        question: Option<(&Entry<'_>, usize)>,
    ) -> Result<Option<Approval>, StoreError>;
    /// Answers a question that waits, recorded: now, where it was asked since the moment beside that, and with what a
    /// person has changed of it; a no also takes back a yes that was not used. Whether it did.
    fn decide_approval(
        &self,
        id: &ApprovalId,
        to: ApprovalState,
        edited: Option<&Shown>,
        at: (UnixMs, UnixMs),
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError>;
    /// Begins an act that was approved between these moments. Whether nobody else had.
    fn claim_approval(&self, id: &ApprovalId, between: (UnixMs, UnixMs)) -> Result<bool, StoreError>;
    /// What came of an act that was begun, recorded. What was shown is forgotten.
    fn end_approval(
        &self,
        id: &ApprovalId,
        state: ApprovalState,
        outcome: Option<&str>,
        at: UnixMs,
        entry: &Entry<'_>,
    ) -> Result<(), StoreError>;
    /// An act that was begun is given up, recorded: how it ended is not known. Whether it was not before.
    fn give_up_approval(&self, id: &ApprovalId, at: UnixMs, entry: &Entry<'_>) -> Result<bool, StoreError>;
    /// Those that were begun, and have neither ended nor been given up.
    fn begun_approvals(&self) -> Result<Vec<Approval>, StoreError>;
    fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError>;
    /// The latest, the newest first.
    fn approvals(&self, most: usize) -> Result<Vec<Approval>, StoreError>;
    /// Those that wait and were asked since then, the oldest first.
    fn waiting_approvals(&self, since: UnixMs) -> Result<Vec<Approval>, StoreError>;
    /// These may receive what this connection sends, until then.
    fn allow_recipients(&self, id: &ConnectionId, recipients: &[String], until: UnixMs) -> Result<(), StoreError>;
    /// Whether all of them may.
    fn are_allowed(&self, id: &ConnectionId, recipients: &[String], now: UnixMs) -> Result<bool, StoreError>;
}
