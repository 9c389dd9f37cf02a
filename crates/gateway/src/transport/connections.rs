//! The open connections: how many there may be in all, which of them have gone quiet, and what they are told. Each was
//! accepted by one of several loops, which looks after its own.
//!
//! They are looked at once in a while. A timer and a channel in each would cost every call more
//! than the check of its key.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::task::AtomicWaker;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::HttpService;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};
use tower::BoxError;

/// What a connection may be told. The later one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Order {
    /// Serve what has come, and what comes within [`LAST_CALL`], then end.
    Finish = 1,
    Cut = 2,
}

/// Between a connection and the loop that accepted it.
#[derive(Default)]
pub(crate) struct SlotState {
    begun: AtomicU32,
    ended: AtomicU32,
    /// The number of its latest call, or of the latest of all when it was accepted: the lower, the
    /// longer it has been quiet. Calls are numbered anyway; asking a clock would cost each of them.
    latest: AtomicU64,
    /// Whether what it had sent was looked at since it was accepted.
    looked_at: AtomicBool,
    /// Whether a call on it has held the live key.
    trusted: AtomicBool,
    /// The latest [`Order`]; zero where there was none.
    order: AtomicU8,
    waker: AtomicWaker,
    /// What goes on over the same socket when its calls have ended in one that changed the protocol.
    tunnel: Mutex<Option<Tunnel>>,
    is_tunnelled: AtomicBool,
    /// The socket, for when its calls have ended and one of them had asked for another protocol.
    upgrade: Mutex<Option<OnUpgrade>>,
}

/// Bytes back and forth, until either side has ended.
pub(crate) type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

impl SlotState {
    /// What is to go on once the answer that changes the protocol has left. It is told what the connection is told.
    pub(crate) fn go_on_with(&self, tunnel: Tunnel) {
        self.is_tunnelled.store(true, Ordering::Relaxed);
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    /// Whether what is on it is no HTTP any more.
    pub(crate) fn is_tunnelled(&self) -> bool {
        self.is_tunnelled.load(Ordering::Relaxed)
    }

    /// A call has asked for another protocol.
    pub(crate) fn keep_upgrade(&self, upgrade: OnUpgrade) {
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    }

    /// The socket, for the call that may change the protocol, or for the end.
    pub(crate) fn take_upgrade(&self) -> Option<OnUpgrade> {
        self.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The call of this number has come.
    pub(crate) fn call_began(&self, number: u64) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.latest.store(number, Ordering::Relaxed);
    }

    /// A call held the live key.
    pub(crate) fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    /// Its answer has left, or nobody waits for it any more.
    pub(crate) fn call_ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have begun and ended.
    pub(crate) fn calls(&self) -> (u32, u32) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }

    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Whether the answer to the call under way is the last one.
    pub(crate) fn is_to_finish(&self) -> bool {
        self.was_told(Order::Finish)
    }

    fn was_told(&self, order: Order) -> bool {
        self.order.load(Ordering::Acquire) >= order as u8
    }
}

/// An open connection, as it was at the latest sweep.
struct SlotActivity {
    state: Arc<SlotState>,
    /// The loop that accepted it.
    by: u64,
    /// Calls that had begun and ended; `None` before the first sweep.
    calls: Option<(u32, u32)>,
    /// Sweeps in a row that found no call under way, begun or ended.
    quiet: u8,
}

/// How long a connection without a call stays open once it is to finish: closed at once, it would be under
/// the feet of callers that send their next call at that moment. With its answer they hear that it is the last.
const LAST_CALL: Duration = Duration::from_millis(250);

/// Looks after which a quiet connection is cut.
const QUIET_SWEEPS: u8 = 2;

#[derive(Default)]
struct SlotTable {
    next: u64,
    open: HashMap<u64, SlotActivity>,
    /// How many each loop has accepted of these.
    accepted: HashMap<u64, usize>,
}

impl SlotTable {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes one out; tells whether it was the last of the loop that accepted it.
    fn take(&mut self, number: u64) -> Option<(SlotActivity, bool)> {
        let seen = self.open.remove(&number)?;
        let left = self.accepted.entry(seen.by).or_default();
        *left = left.saturating_sub(1);
        let was_last = *left == 0;
        if was_last {
            self.accepted.remove(&seen.by);
        }
        Some((seen, was_last))
    }

    fn quietest(&self) -> Option<u64> {
        let quiet = self.open.iter().filter(|(_, seen)| {
            let (begun, ended) = seen.state.calls();
            begun == ended
        });
        let rank = |number: &u64, slot: &SlotState| {
            // One whose worker had no turn yet may have sent its call.
            let is_new = !slot.looked_at.load(Ordering::Relaxed);
            (slot.trusted.load(Ordering::Relaxed), is_new, slot.latest.load(Ordering::Relaxed), *number)
        };
        quiet.min_by_key(|(number, seen)| rank(number, &seen.state)).map(|(number, _)| *number)
    }
}

/// The open connections, whoever accepted them.
pub(crate) struct OpenConnections {
    most: usize,
    table: Mutex<SlotTable>,
    /// A loop has none left.
    none_left: Notify,
}

impl OpenConnections {
    /// There may be `most` of them.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, table: Mutex::default(), none_left: Notify::new() })
    }

    /// For a loop that accepts some of them.
    pub(crate) fn accepting(self: &Arc<Self>) -> Accepted {
        let by = self.table().next();
        Accepted { all: self.clone(), by }
    }

    fn table(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that one loop has accepted.
pub(crate) struct Accepted {
    all: Arc<OpenConnections>,
    by: u64,
}

impl Accepted {
    /// A slot for one more, accepted after the call of this number. Where all are taken, the
    /// connection without a call that was quiet the longest makes room, one that never held the live
    /// key first, whichever loop accepted it; `None` where all have calls under way.
    pub(crate) fn admit(&self, latest: u64) -> Option<Slot> {
        let mut table = self.all.table();
        if table.open.len() >= self.all.most {
            let quietest = table.quietest()?;
            if let Some((seen, was_last)) = table.take(quietest) {
                seen.state.tell(Order::Cut);
                if was_last {
                    self.all.none_left.notify_waiters();
                }
            }
        }
        let number = table.next();
        let slot = Arc::new(SlotState { latest: AtomicU64::new(latest), ..SlotState::default() });
        table.open.insert(number, SlotActivity { state: slot.clone(), by: self.by, calls: None, quiet: 0 });
        *table.accepted.entry(self.by).or_default() += 1;
        Some(Slot { open: self.all.clone(), number, state: slot })
    }

    /// Cuts those that have been quiet all the time between three sweeps: a head or a handshake that never ends, or
    /// nobody there.
    pub(crate) fn sweep(&self) {
        for seen in self.all.table().open.values_mut().filter(|seen| seen.by == self.by) {
            let (begun, ended) = seen.state.calls();
            let quiet = begun == ended && seen.calls == Some((begun, ended));
            seen.quiet = if quiet { seen.quiet.saturating_add(1) } else { 0 };
            seen.calls = Some((begun, ended));
            if seen.quiet >= QUIET_SWEEPS {
                seen.state.tell(Order::Cut);
            }
        }
    }

    /// Ends all, with whatever is on them.
    pub(crate) fn cut(&self) {
        self.tell(Order::Cut);
    }

    /// Lets them finish what they have begun. Returns when all have ended.
    pub(crate) async fn finish(&self) {
        self.tell(Order::Finish);
        loop {
            let mut none_left = pin!(self.all.none_left.notified());
            none_left.as_mut().enable();
            if !self.all.table().accepted.contains_key(&self.by) {
                return;
            }
            none_left.await;
        }
    }

    fn tell(&self, order: Order) {
        for seen in self.all.table().open.values().filter(|seen| seen.by == self.by) {
            seen.state.tell(order);
        }
    }
}

/// The slot of one open connection, given back when dropped.
pub(crate) struct Slot {
    open: Arc<OpenConnections>,
    number: u64,
    state: Arc<SlotState>,
}

impl Slot {
    /// What the connection is told through.
    pub(crate) fn slot(&self) -> Arc<SlotState> {
        self.state.clone()
    }

    /// Sees the connection to its end, and what goes on over it, or to the moment that it is cut; tells how it broke.
    pub(crate) async fn hold<I, B, S>(self, connection: UpgradeableConnection<I, S>) -> Result<(), hyper::Error>
    where
        S: HttpService<Incoming, ResBody = B>,
        S::Error: Into<BoxError>,
        I: Read + Write + Unpin + Send + 'static,
        B: http_body::Body + 'static,
        B::Error: Into<BoxError>,
    {
        // Gone before the tunnel begins: that waits for the socket, or for its end.
        let ended = {
            let mut connection = pin!(connection);
            let mut last_call: Option<Pin<Box<Sleep>>> = None;
            let mut is_new = true;
            poll_fn(|context| {
                self.state.waker.register(context.waker());
                if self.state.was_told(Order::Cut) {
                    return Poll::Ready(Ok(()));
                }
                if self.state.is_to_finish()
                    && last_call.get_or_insert_with(|| Box::pin(sleep(LAST_CALL))).as_mut().poll(context).is_ready()
                {
                    connection.as_mut().graceful_shutdown();
                }
                let polled = connection.as_mut().poll(context);
                if std::mem::take(&mut is_new) {
                    self.state.looked_at.store(true, Ordering::Relaxed);
                }
                polled
            })
            .await
        };
        match (self.state.take_tunnel(), self.state.take_upgrade()) {
            (Some(tunnel), _) => self.until_cut(tunnel).await,
            // Asked for, and not agreed to: hyper lets go of the socket as it is, without an orderly end.
            (None, Some(upgrade)) => {
                let end = Box::pin(async {
                    let Some(Ok(upgraded)) = upgrade.now_or_never() else { return };
                    let _ = TokioIo::new(upgraded).shutdown().await;
                });
                self.until_cut(end).await;
            }
            (None, None) => {}
        }
        ended
    }

    /// What comes of the handshake, which is told what the connection is told; `None`: it was cut before its end, or was
    /// to finish, and no call had begun.
    pub(crate) async fn shake_hands<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        let mut handshake = pin!(handshake);
        let mut last_call: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|context| {
            self.state.waker.register(context.waker());
            if self.state.was_told(Order::Cut) {
                return Poll::Ready(None);
            }
            if let Poll::Ready(done) = handshake.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            self.state.looked_at.store(true, Ordering::Relaxed);
            let is_over = self.state.is_to_finish()
                && last_call.get_or_insert_with(|| Box::pin(sleep(LAST_CALL))).as_mut().poll(context).is_ready();
            if is_over { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    async fn until_cut(&self, mut work: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        poll_fn(|context| {
            self.state.waker.register(context.waker());
            if self.state.was_told(Order::Cut) { Poll::Ready(()) } else { work.as_mut().poll(context) }
        })
        .await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let taken = self.open.table().take(self.number);
        if taken.is_some_and(|(_, was_last)| was_last) {
            self.open.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(slot: &Slot) -> bool {
        slot.state.was_told(Order::Cut)
    }

    #[test]
    fn the_quietest_makes_room_and_one_with_the_key_or_a_call_last() {
        let open = OpenConnections::new(4).accepting();
        let [trusted, busy, quiet, later] = [1, 2, 3, 4].map(|latest| open.admit(latest).expect("a slot"));
        trusted.state.trust();
        busy.state.call_began(5);
        quiet.state.call_began(6);
        quiet.state.call_ended();
        // In this order they make room: no key and quiet the longest, then the next one, then the key's.
        let first = open.admit(7).expect("a slot");
        assert!(cut(&later) && !cut(&quiet) && !cut(&trusted) && !cut(&busy));
        first.state.call_began(8);
        let second = open.admit(8).expect("a slot");
        assert!(cut(&quiet) && !cut(&trusted) && !cut(&busy) && !cut(&first));
        second.state.call_began(9);
        let third = open.admit(9).expect("a slot");
        assert!(cut(&trusted) && !cut(&busy));
        third.state.call_began(10);
        assert!(open.admit(10).is_none(), "all have calls under way");
        drop((later, quiet, trusted));
        assert!(open.admit(10).is_none(), "the slot of one that was cut was given on already");
    }

    #[test]
    fn one_that_nobody_has_looked_at_yet_makes_no_room_before_one_that_is_quiet() {
        let open = OpenConnections::new(2).accepting();
        let [new, quiet] = [1, 2].map(|latest| open.admit(latest).expect("a slot"));
        quiet.state.looked_at.store(true, Ordering::Relaxed);
        drop(open.admit(3).expect("a slot"));
        assert!(cut(&quiet) && !cut(&new));
    }

    #[test]
    fn a_connection_without_a_call_is_cut_at_the_third_look() {
        let open = OpenConnections::new(3).accepting();
        let [quiet, busy, waiting] = [0; 3].map(|latest| open.admit(latest).expect("a slot"));
        waiting.state.call_began(1);
        for _ in 0..5 {
            assert!(!cut(&busy) && !cut(&waiting));
            busy.state.call_began(2);
            busy.state.call_ended();
            open.sweep();
        }
        assert!(cut(&quiet));
        // The call that took so long has ended: the whole time begins.
        waiting.state.call_ended();
        open.sweep();
        open.sweep();
        assert!(!cut(&waiting));
        open.sweep();
        assert!(cut(&waiting));
    }

    #[tokio::test]
    async fn all_have_ended_when_they_have_finished() {
        let open = Arc::new(OpenConnections::new(3).accepting());
        open.finish().await;
        let elsewhere = open.all.accepting();
        let goes_on = elsewhere.admit(0).expect("a slot");
        let (one, other) = (open.admit(0).expect("a slot"), open.admit(0).expect("a slot"));
        let finish = tokio::spawn({
            let open = open.clone();
            async move { open.finish().await }
        });
        tokio::task::yield_now().await;
        assert!(one.state.was_told(Order::Finish) && !cut(&one));
        drop(one);
        tokio::task::yield_now().await;
        assert!(!finish.is_finished());
        drop(other);
        finish.await.expect("it ends");
        assert!(!goes_on.state.was_told(Order::Finish), "another loop accepted it");
    }

    #[test]
    fn there_are_as_many_places_however_many_accept() {
        let all = OpenConnections::new(2);
        let (one, other) = (all.accepting(), all.accepting());
        let (quiet, busy) = (one.admit(0).expect("a slot"), other.admit(1).expect("a slot"));
        busy.state.call_began(2);
        let next = other.admit(2).expect("the quiet one makes room, whoever accepted it");
        assert!(cut(&quiet));
        next.state.call_began(3);
        assert!(one.admit(3).is_none() && other.admit(3).is_none());
        drop(quiet);
        assert!(one.admit(3).is_none(), "its place was given on already");
        drop(next);
        assert!(one.admit(3).is_some());
    }

    #[test]
    fn each_looks_after_those_that_it_accepted() {
        let all = OpenConnections::new(2);
        let (one, other) = (all.accepting(), all.accepting());
        let (own, theirs) = (one.admit(0).expect("a slot"), other.admit(0).expect("a slot"));
        for _ in 0..3 {
            one.sweep();
        }
        assert!(cut(&own) && !cut(&theirs), "one look of each counts, not one of all");
        other.cut();
        assert!(cut(&theirs));
    }
}
