//! What is done by itself, each job in a file of its own. Counting has a thread to itself, since a crash loses what is
//! not written yet; the other jobs share one, and may wait for each other at a busy database.

mod counters;
mod heartbeat;
mod look_through;
mod renewal;
mod roll_up;
mod runtime_watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atthene_core::Core;
use counters::Counters;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// The running jobs of one profile.
pub(crate) struct Jobs {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    counters: Counters,
}

impl Jobs {
    /// `told` changes with each time that this process has told others what it does.
    pub(crate) fn start(core: Arc<Core>, told: watch::Receiver<()>) -> std::io::Result<Self> {
        let counters = Counters::start(core.clone())?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        let thread = std::thread::Builder::new().name("jobs".into()).spawn(move || {
            runtime.block_on(async {
                run(&core, stopped, told).await;
                core.finish_begun().await;
            });
            // Renewal may wait for a person at the keychain; nobody waits for that.
            runtime.shutdown_timeout(Duration::from_millis(200));
        })?;
        Ok(Self { stop, thread: Some(thread), counters })
    }

    /// Ends them; counters are written. Blocks until done.
    pub(crate) fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic in there was logged by its hook; there is nothing left to stop.
            let _ = thread.join();
        }
        self.counters.end();
    }
}

async fn run(core: &Arc<Core>, mut stop: watch::Receiver<bool>, told: watch::Receiver<()>) {
    let began = Instant::now();
    let since = core.now();
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = every(renewal::EVERY, || renewal::run(core)) => {}
        () = heartbeat::run(core, since, told) => {}
        () = every(runtime_watch::EVERY, || runtime_watch::check(core)) => {}
        () = every(roll_up::EVERY, || roll_up::run(core, began)) => {}
        () = once(|| look_through::run(core)) => {}
    }
}

/// Does it now and never again.
async fn once<Job: Future<Output = ()>>(job: impl FnOnce() -> Job) {
    job().await;
    std::future::pending::<()>().await;
}

/// Does it now and then again, for ever. What took longer than its time is not caught up on; after a sleep or a
/// clock change the next time finds what has ended meanwhile.
async fn every<Job: Future<Output = ()>>(time: Duration, job: impl Fn() -> Job) {
    let mut tick = tokio::time::interval(time);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        job().await;
    }
}
