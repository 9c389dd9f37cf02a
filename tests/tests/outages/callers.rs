//! Who asks one gateway all the time, with keys that live and keys that have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use atthene_test_support::caller::{Caller, EXECUTE};
use tokio::sync::watch;

use crate::book::Book;
use crate::hosts::Host;
use crate::rules::{Answered, Figures, GatewayRules};

const BODY: &str = r#"{"agent_id":"atthene-status"}"#;
/// Between two calls, so that gateways and the database have the processors, too.
const PAUSE: Duration = Duration::from_millis(4);

/// How long a gateway may take to be back, on a busy machine.
pub(crate) const BACK: Duration = Duration::from_secs(20);

/// How far a gateway has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// The newest key that it let in.
    pub(crate) newest: Option<usize>,
    pub(crate) is_ready: bool,
    /// The answer to the newest key that there is: its place, when it was sent, the status.
    latest: Option<(usize, Instant, u16)>,
    /// When the last call was sent that was not let in for want of the database.
    closed_at: Option<Instant>,
}

pub(crate) struct Asking {
    go_on: Arc<AtomicBool>,
    progress: watch::Receiver<Progress>,
    thread: JoinHandle<Figures>,
}

impl Asking {
    pub(crate) fn begin(host: &Arc<Host>, book: &Arc<Book>) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let (told, progress) = watch::channel(Progress::default());
        let (host, book, goes_on) = (host.clone(), book.clone(), go_on.clone());
        let thread = std::thread::spawn(move || ask(&host, &book, &goes_on, &told));
        Self { go_on, progress, thread }
    }

    /// Waits until a call with this key that is sent after this moment is answered with this status; `None`: by whatever
    /// a gateway says that knows how things are. How long after the moment it was closed at last.
    pub(crate) async fn answers(&self, at: usize, since: Instant, status: Option<u16>) -> Result<Duration> {
        let mut progress = self.progress.clone();
        let is_it = |got: u16| status.map_or(got != 503, |status| got == status);
        let come = progress.wait_for(|progress| {
            progress.latest.is_some_and(|(key, sent, got)| key == at && sent > since && is_it(got))
        });
        let come = tokio::time::timeout(BACK, come).await;
        let come = come.with_context(|| format!("key {at} is not answered with {status:?} within {BACK:?}"))??;
        Ok(come.closed_at.map(|closed| closed.saturating_duration_since(since)).unwrap_or_default())
    }

    /// Waits until the gateway lets this key in and says that it is ready.
    pub(crate) async fn lets_in(&self, at: usize) -> Result<()> {
        let mut progress = self.progress.clone();
        let come = progress.wait_for(|progress| progress.newest >= Some(at) && progress.is_ready);
        tokio::time::timeout(BACK, come).await.with_context(|| format!("not back within {BACK:?}"))??;
        Ok(())
    }

    pub(crate) fn end(self) -> Result<Figures> {
        self.go_on.store(false, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("a caller broke"))
    }
}

fn ask(host: &Host, book: &Book, go_on: &AtomicBool, told: &watch::Sender<Progress>) -> Figures {
    let mut caller = Caller::new(host.port);
    let mut rules = GatewayRules::default();
    let (mut is_ready, mut latest, mut closed_at) = (false, None, None);
    for turn in 0_usize.. {
        if !go_on.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(PAUSE);
        if turn % 16 == 0 {
            match caller.call("GET /readyz", "", "") {
                Ok((status, _)) => is_ready = status == 200,
                Err(error) => book.is_wrong(format!("/readyz gave no answer: {error}")),
            }
        }
        let Some(at) = choose(turn, book.count()) else { continue };
        let Some(before) = book.key(at) else { continue };
        // Asked for first: by the answer, it may be over.
        let outage = book.outage();
        let sent = Instant::now();
        let answer = caller.call(&format!("POST {EXECUTE}"), &before.text, BODY);
        let (status, body) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                book.is_wrong(format!("a call was not answered: {error}"));
                continue;
            }
        };
        let heard = host.line.last_heard();
        let Some(after) = book.key(at) else { continue };
        rules.look(&Answered { at, before: &before, after: &after, outage, sent, heard, status, body: &body }, book);
        if at + 1 == book.count() {
            latest = Some((at, sent, status));
        }
        closed_at = if status == 503 { Some(sent) } else { closed_at };
        told.send_replace(Progress { newest: rules.newest, is_ready, latest, closed_at });
    }
    rules.figures
}

/// Mostly the newest key, the one before it often, each of the others now and then.
fn choose(turn: usize, keys: usize) -> Option<usize> {
    let newest = keys.checked_sub(1)?;
    match turn % 4 {
        1 => Some(newest.saturating_sub(1)),
        3 => Some(turn / 4 % keys),
        _ => Some(newest),
    }
}
