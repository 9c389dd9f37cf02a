//! Acts that a person may have to allow, or that are done once only: the one way to do them, whichever face asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atthene_core::approvals::{ActState, ApprovalId, AskedAct, Shown};
use atthene_core::permissions::Leave;
use atthene_core::{Core, Error, blocking};
use serde_json::Value;

/// How long a call waits for a person's answer: many clients give up after a minute.
pub const WAITS_FOR_ANSWER: Duration = Duration::from_secs(45);

/// How work has ended.
pub enum WorkEnd<T, E> {
    /// It was done. The value is what whoever asks the same again is told.
    Done(T, Value),
    /// It failed, and had no effect.
    NoEffect(E),
    /// It may have had one: it is not done again.
    Unknown(E),
}

/// What came of asking for an act.
pub enum Did<T> {
    Now(T),
    /// It was done before, with this outcome.
    Before(Value),
    /// A person has not answered yet.
    Waiting(ApprovalId),
    Denied,
    /// It was begun before, and how it ended is not known.
    Begun,
}

/// Does `work` where it may be done now: with a person's yes, if `leave` wants one, that is for exactly this act and
/// was used by nobody; and never twice. It is given what a person has written instead, where somebody has. Waits for an answer for up to `patience`. Once claimed, the outcome is written
/// down; where this is dropped in the midst of the work, it stays unknown.
///
/// # Errors
/// What `work` fails with, and why nobody could be asked.
pub async fn once<T, E, Work>(
    core: &Arc<Core>,
    asked: AskedAct,
    leave: Leave,
    patience: Duration,
    work: impl FnOnce(Option<Shown>) -> Work,
) -> Result<Did<T>, E>
where
    E: From<Error>,
    Work: Future<Output = WorkEnd<T, E>>,
{
    let asked = Arc::new(asked);
    let ask = || {
        let (core, asked) = (core.clone(), asked.clone());
        // Whoever hangs up meanwhile leaves a claim behind that lets go of itself.
        blocking(move || {
            let standing = core.approvals.ask(&asked, leave)?;
            let id = if let ActState::Claimed { id, .. } = &standing { Some(id.clone()) } else { None };
            Ok((standing, Claim { core, id, is_begun: false }))
        })
    };
    let asked_at = Instant::now();
    let (mut standing, mut claim) = ask().await?;
    // For a person first, and then for somebody else who asked for the very same.
    for _ in 0..2 {
        if let ActState::Waiting(id) | ActState::UnderWay(id) = &standing {
            core.approvals.answered(id, patience.saturating_sub(asked_at.elapsed())).await?;
            (standing, claim) = ask().await?;
        }
    }
    let (id, edited) = match standing {
        ActState::Claimed { id, edited } => (id, edited),
        ActState::Waiting(id) => return Ok(Did::Waiting(id)),
        ActState::Denied => return Ok(Did::Denied),
        ActState::UnderWay(_) | ActState::Begun => return Ok(Did::Begun),
        ActState::Done(outcome) => return Ok(Did::Before(outcome)),
    };
    // Where this is dropped in the midst of the work, nobody waits for its end.
    claim.begin();
    let ended = work(edited.map(|shown| *shown)).await;
    if !matches!(ended, WorkEnd::Unknown(_)) {
        claim.end();
    }
    match ended {
        WorkEnd::Done(done, outcome) => {
            write_down(core, id, Some(outcome)).await;
            Ok(Did::Now(done))
        }
        WorkEnd::NoEffect(error) => {
            write_down(core, id, None).await;
            Err(error)
        }
        WorkEnd::Unknown(error) => Err(error),
    }
}

/// An act that this call does.
struct Claim {
    core: Arc<Core>,
    /// `None`: it is not this call's, or its end is known.
    id: Option<ApprovalId>,
    is_begun: bool,
}

impl Claim {
    fn begin(&mut self) {
        self.is_begun = true;
    }

    /// How it ended is known.
    fn end(&mut self) {
        self.id = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        match self.id.take() {
            Some(id) if self.is_begun => self.core.approvals.abandon(id),
            Some(id) => self.core.approvals.release(id),
            None => {}
        }
    }
}

/// It was done, whatever becomes of its record. Where that fails, how it ended counts as unknown, and it is not done
/// again.
async fn write_down(core: &Arc<Core>, id: ApprovalId, outcome: Option<Value>) {
    let core = core.clone();
    if let Err(error) = blocking(move || core.approvals.end(&id, outcome.as_ref())).await {
        tracing::error!(%error, "what came of an act could not be written down");
    }
}
