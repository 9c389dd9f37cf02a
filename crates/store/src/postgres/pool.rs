//! A few connections that are lent to whoever asks something.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::address::Address;
use super::engine::Engine;
use super::fault::Fault;
use super::link::Link;

/// Connections of one process. A database has a hundred for all.
const MOST: usize = 4;

pub(super) struct Pool {
    engine: Engine,
    address: Address,
    kept: Mutex<PooledLinks>,
    given_back: Condvar,
}

#[derive(Default)]
struct PooledLinks {
    idle: Vec<Link>,
    /// Lent, or being made.
    out: usize,
}

impl Pool {
    pub(super) fn new(engine: Engine, address: Address) -> Self {
        Self { engine, address, kept: Mutex::default(), given_back: Condvar::new() }
    }

    fn kept(&self) -> MutexGuard<'_, PooledLinks> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a connection, the one that was used last; makes one where there is none, or waits for one.
    pub(super) fn lend(self: &Arc<Self>, until: Instant) -> Result<Lent, Fault> {
        let mut kept = self.kept();
        loop {
            while let Some(link) = kept.idle.pop() {
                if link.is_sound() {
                    kept.out += 1;
                    return Ok(Lent { pool: self.clone(), link: Some(link) });
                }
            }
            if kept.out < MOST {
                kept.out += 1;
                drop(kept);
                // Counted as out from here on, whatever comes of it.
                let mut lent = Lent { pool: self.clone(), link: None };
                lent.link = Some(self.beside(until)?);
                return Ok(lent);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Busy);
            }
            kept = self.given_back.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A connection apart from these, for what takes long.
    pub(super) fn beside(&self, until: Instant) -> Result<Link, Fault> {
        Link::open(&self.engine, &self.address, until)
    }

    /// Those that are kept were opened before something broke: most likely they are broken, too.
    pub(super) fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.kept().idle);
        drop(idle);
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }
}

/// A connection that goes back by itself.
pub(super) struct Lent {
    pool: Arc<Pool>,
    link: Option<Link>,
}

impl Lent {
    pub(super) fn link(&self) -> Result<&Link, Fault> {
        self.link.as_ref().ok_or(Fault::Busy)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.pool.kept();
        kept.out -= 1;
        kept.idle.extend(self.link.take().filter(Link::is_sound));
        drop(kept);
        self.pool.given_back.notify_one();
    }
}
