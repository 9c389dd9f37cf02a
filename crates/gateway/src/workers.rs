//! The threads that serve calls. Each has a runtime of its own: what is on it waits for no other.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};

use crate::listening::Workers;

/// Blocking work at a time, on each.
const MOST_BLOCKING: usize = 16;
/// Blocking work may wait for a person at the keychain; nobody waits for that.
const LONGEST_END: Duration = Duration::from_millis(200);

/// A runtime as each worker has one.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(MOST_BLOCKING).build()
}

/// Ends a runtime.
pub(crate) fn end(runtime: Runtime) {
    runtime.shutdown_timeout(LONGEST_END);
}

/// All workers: the gateway's own thread is the first of them.
pub(crate) struct WorkerThreads {
    handles: Vec<Handle>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl WorkerThreads {
    /// Starts those beside the first. Blocks until they run.
    pub(crate) fn start(first: Handle, workers: Workers) -> io::Result<Self> {
        let mut all = Self { handles: vec![first], stop: watch::Sender::new(false), threads: Vec::new() };
        for number in 1..workers.get() {
            let (tell, told) = oneshot::channel();
            let mut stopped = all.stop.subscribe();
            let thread = std::thread::Builder::new().name(format!("gateway-{number}")).spawn(move || {
                let runtime = match runtime() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(tell.send(Err(error))),
                };
                if tell.send(Ok(runtime.handle().clone())).is_ok() {
                    runtime.block_on(async {
                        let _ = stopped.wait_for(|stopped| *stopped).await;
                    });
                }
                end(runtime);
            })?;
            all.threads.push(thread);
            let handle = told.blocking_recv().map_err(|_| io::Error::other("a worker ended at once"))??;
            all.handles.push(handle);
        }
        Ok(all)
    }

    /// Where each spawns its tasks.
    pub(crate) fn handles(&self) -> &[Handle] {
        &self.handles
    }
}

/// Blocks until all but the first have ended.
impl Drop for WorkerThreads {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A panic in there was logged by its hook; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}
