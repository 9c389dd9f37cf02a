//! Work that must not be left half done: once begun it goes on to its end in a task of its own, on threads of its
//! own, whoever stops waiting for it and whatever ends around it. A process that is told to end waits for it; only one
//! that is killed does not.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than an authority and a keychain together may take.
const LONGEST: Duration = Duration::from_secs(50);

/// Two may block on rows at a time, and nobody else waits for them.
const THREADS: usize = 2;

/// What has begun and not ended yet.
#[derive(Clone)]
pub(crate) struct Begun(Arc<Tasks>);

struct Tasks {
    count: watch::Sender<usize>,
    /// Made by the first work: a process that begins none has no threads for it. `None`: it could not be made.
    runtime: OnceLock<Option<Runtime>>,
}

impl Default for Begun {
    fn default() -> Self {
        Self(Arc::new(Tasks { count: watch::Sender::new(0), runtime: OnceLock::new() }))
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // Whoever held it last may be in the middle of other tasks, where waiting is not allowed.
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Counts for as long as it is held.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Begun {
    /// Does the work in a task of its own, and waits for it. `None`: it broke.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.spawn(work).await.ok()
    }

    /// Does the work in a task of its own, for which nobody waits.
    pub(crate) fn leave(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(work));
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.count.send_modify(|count| *count += 1);
        let under_way = UnderWay(self.0.count.clone());
        let counted = async move {
            let _under_way = under_way;
            work.await
        };
        let runtime = self.0.runtime.get_or_init(|| {
            let made = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("begun")
                .enable_all()
                .build();
            made.inspect_err(|error| tracing::error!(%error, "no threads for what must not be left half done")).ok()
        });
        match runtime {
            Some(runtime) => runtime.spawn(counted),
            None => tokio::spawn(counted),
        }
    }

    /// Waits until nothing is under way, or for as long as that may take.
    pub(crate) async fn ended(&self) {
        let mut count = self.0.count.subscribe();
        if tokio::time::timeout(LONGEST, count.wait_for(|count| *count == 0)).await.is_err() {
            tracing::error!("the process ends although something that it has begun has not ended");
        }
    }
}
