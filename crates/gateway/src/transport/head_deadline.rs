//! A limit on waiting, without a timer for each wait.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// The one timer of a connection, for all of its calls. It is set again when it has run out, not
/// when a wait begins: setting a timer for each call costs more than checking its key.
#[derive(Default)]
pub(crate) struct HeadDeadline(Mutex<Option<Pin<Box<Sleep>>>>);

impl HeadDeadline {
    /// What comes of `work`; `None` where that takes longer than `limit` from the moment `since`, which moves on for
    /// as long as something is sent: only silence counts.
    ///
    /// The waits of a connection follow each other in its one task, which is the one that the timer
    /// wakes, and have the same limit: whenever the timer is due, no wait is over before.
    pub(crate) async fn wait<W: Future>(
        &self,
        since: impl Fn() -> Instant,
        limit: Duration,
        mut work: Pin<&mut W>,
    ) -> Option<W::Output> {
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            let due = since() + limit;
            let mut timer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match timer.as_mut() {
                Some(timer) if !timer.is_elapsed() => return Poll::Pending,
                Some(timer) => timer.as_mut().reset(due.into()),
                None => *timer = Some(Box::pin(tokio::time::sleep_until(due.into()))),
            }
            // From now on it wakes this task, unless it is due already.
            let is_due = timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready());
            if is_due { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    fn fixed(since: Instant) -> impl Fn() -> Instant {
        move || since
    }

    #[tokio::test(start_paused = true)]
    async fn k2_what_moves_is_not_given_up_and_silence_is() {
        let head_deadline = HeadDeadline::default();
        let began = tokio::time::Instant::now().into_std();
        let now = || tokio::time::Instant::now().into_std();
        // A part each ten seconds for five minutes, then nothing more.
        let latest = || began + Duration::from_secs((now() - began).as_secs().min(300) / 10 * 10);
        assert_eq!(head_deadline.wait(latest, LIMIT, pin!(std::future::pending::<()>())).await, None);
        assert_eq!((now() - began).as_secs(), 360);
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_the_whole_limit() {
        let head_deadline = HeadDeadline::default();
        let now = || tokio::time::Instant::now().into_std();
        for _ in 0..3 {
            let just_in_time = pin!(tokio::time::sleep(Duration::from_secs(59)));
            assert_eq!(head_deadline.wait(fixed(now()), LIMIT, just_in_time).await, Some(()));
        }
        let began = now();
        assert_eq!(head_deadline.wait(fixed(began), LIMIT, pin!(std::future::pending::<()>())).await, None);
        assert!((LIMIT..LIMIT + Duration::from_secs(1)).contains(&(now() - began)));
        assert_eq!(head_deadline.wait(fixed(now()), LIMIT, pin!(std::future::ready(1))).await, Some(1));
    }
}
