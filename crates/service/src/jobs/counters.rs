//! Writes what was counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atthene_core::Core;

/// What a crash loses is no older than this and one commit: less than 250 ms together, where the disk keeps up.
const EVERY: Duration = Duration::from_millis(150);

/// How long a trouble that goes on is not told again.
const SAID_AGAIN: Duration = Duration::from_mins(1);

/// The thread that writes. A write that has begun is never given up, so none is lost when the service stops.
pub(super) struct Counters {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Counters {
    pub(super) fn start(core: Arc<Core>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("counters".into()).spawn(move || {
            let mut next = Instant::now() + EVERY;
            let mut trouble = None;
            let wait = |next: Instant| stopped.recv_timeout(next.saturating_duration_since(Instant::now()));
            while wait(next) == Err(RecvTimeoutError::Timeout) {
                // Counted from the beginning of a write: what comes during one waits no longer for its own.
                next = Instant::now() + EVERY;
                write(&core, &mut trouble);
            }
            write(&core, &mut trouble);
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Writes what is left, and ends. Blocks until done.
    pub(super) fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there was logged by its hook; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// Writes, and says that it can't: at first, and then once in a while. `trouble`: when it said so.
fn write(core: &Core, trouble: &mut Option<Instant>) {
    // One batch that breaks must not end all counting.
    match catch_unwind(AssertUnwindSafe(|| core.usage.flush())) {
        Ok(Ok(())) => {
            if trouble.take().is_some() {
                tracing::info!("counters are written again");
            }
        }
        Ok(Err(error)) => {
            if trouble.is_none_or(|told| told.elapsed() > SAID_AGAIN) {
                *trouble = Some(Instant::now());
                tracing::warn!(%error, "counters could not be written; they are kept until they can be");
            }
        }
        Err(_) => tracing::error!("a batch of counters was lost: writing it broke"),
    }
}
