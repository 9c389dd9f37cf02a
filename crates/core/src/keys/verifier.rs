//! Decides whether a presented text is the live key: microseconds for its holder, tens of
//! milliseconds for a guesser.
//!
//! A text that argon2 confirmed once is known again by its keyed digest (the key of the digest is
//! random and dies with the process), compared in constant time. Everything else costs an
//! argon2 run, of which two at most go on at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use blake2::Blake2sMac256;
use blake2::digest::Mac;
use rand::TryRng;
use rand::rngs::SysRng;
use subtle::ConstantTimeEq;
use tokio::sync::{OnceCell, Semaphore};

use super::{Ending, KeyId, KeyRecord, Malformed, hash, text};
use crate::clock::{Clock, UnixMs};
use crate::error::Error;

/// Why a text does not open the agent API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not a key at all, or a mistyped one.
    Malformed(Malformed),
    /// Of the right form, but no key of this app.
    Unknown,
    /// A key of this app that has ended. Told only to its holder.
    Ended(Ending),
    /// Too many unconfirmed keys are being checked at this moment.
    Busy,
}

/// What a presented text is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the live key.
    Valid(KeyId),
    /// It is not. The id is there when the caller proved to hold that very key.
    Refused(Refusal, Option<KeyId>),
}

/// In words: comparing those takes a fraction of the steps that bytes take.
type Digest = [u64; 4];

/// argon2 runs at a time, each 19 MiB and one core.
const HASHING_AT_ONCE: usize = 2;
/// Ended keys whose holders are known again without argon2.
const REMEMBERED_ENDED: usize = 16;

struct Live {
    id: KeyId,
    hash: Arc<str>,
    expires_at: Option<UnixMs>,
    confirmed: Option<Digest>,
}

#[derive(Default)]
struct Table {
    live: Option<Live>,
    ended: HashMap<KeyId, (Arc<str>, Ending)>,
    confirmed_ended: VecDeque<(Digest, KeyId)>,
}

pub(super) struct Verifier {
    mac_key: [u8; 16],
    table: RwLock<Table>,
    hashing: Arc<Semaphore>,
    /// One argon2 run per presented text, however many callers present it.
    in_flight: Mutex<HashMap<Digest, Arc<OnceCell<bool>>>>,
}

impl Verifier {
    pub(super) fn new() -> Result<Self, Error> {
        let mut mac_key = [0; 16];
        SysRng
            .try_fill_bytes(&mut mac_key)
            .map_err(|error| Error::Internal(format!("no random numbers from the system: {error}")))?;
        Ok(Self {
            mac_key,
            table: RwLock::default(),
            hashing: Arc::new(Semaphore::new(HASHING_AT_ONCE)),
            in_flight: Mutex::default(),
        })
    }

    /// Takes over the rows of the store. When this returns, a key that has ended in them
    /// opens nothing any more.
    pub(super) fn load(&self, rows: Vec<KeyRecord>) {
        let mut table = self.write();
        let before = table.live.take();
        for row in rows {
            match row.ended {
                Some((_, ending)) => {
                    table.ended.insert(row.id, (row.hash, ending));
                }
                // Expired while this process watched, and not yet written by it: stays ended,
                // also when the clock is set back.
                None if table.ended.contains_key(&row.id) => {}
                None => {
                    let confirmed = before.as_ref().filter(|old| old.id == row.id).and_then(|old| old.confirmed);
                    table.live = Some(Live { id: row.id, hash: row.hash, expires_at: row.expires_at, confirmed });
                }
            }
        }
        if let Some(Live { id, confirmed: Some(digest), .. }) = before
            && table.ended.contains_key(&id)
        {
            table.remember_ended(digest, id);
        }
    }

    /// Ends the live key when its time has run out. Returns it the one time that it does.
    pub(super) fn expire(&self, now: UnixMs) -> Option<KeyId> {
        let due = |live: &Live| live.expires_at.is_some_and(|at| at <= now);
        if !self.read().live.as_ref().is_some_and(due) {
            return None;
        }
        let mut table = self.write();
        let live = table.live.take_if(|live| due(live))?;
        table.ended.insert(live.id.clone(), (live.hash, Ending::Expired));
        if let Some(digest) = live.confirmed {
            table.remember_ended(digest, live.id.clone());
        }
        Some(live.id)
    }

    /// What `presented` is worth at this moment. The caller has run [`Self::expire`].
    pub(super) async fn verify(&self, presented: &str, clock: &Clock) -> Verdict {
        let digest = self.digest(presented);
        if let Some(verdict) = self.known(&digest) {
            return verdict;
        }
        let id = match text::parse(presented) {
            Ok(id) => KeyId(id.into()),
            Err(malformed) => return Verdict::Refused(Refusal::Malformed(malformed), None),
        };
        let Some(phc) = self.phc_of(&id) else { return Verdict::Refused(Refusal::Unknown, None) };
        match self.hash_once(digest, presented, phc).await {
            Err(Busy) => Verdict::Refused(Refusal::Busy, None),
            Ok(false) => Verdict::Refused(Refusal::Unknown, None),
            Ok(true) => {
                // Time has passed and the key may have ended meanwhile: confirm, then look again.
                self.expire(clock.now());
                self.confirm(digest, id);
                self.known(&digest).unwrap_or(Verdict::Refused(Refusal::Unknown, None))
            }
        }
    }

    fn digest(&self, presented: &str) -> Digest {
        // BLAKE2's randomised hashing: the random bits are its salt and its personalisation. A key's
        // text is one block then, half of the work of a MAC key before it.
        let (salt, personal) = self.mac_key.split_at(8);
        #[expect(clippy::expect_used, reason = "the lengths are constants of this file")]
        let mac = Blake2sMac256::new_with_salt_and_personal(None, salt, personal).expect("8 bytes each are valid");
        let bytes: [u8; 32] = mac.chain_update(presented.as_bytes()).finalize().into_bytes().into();
        let (words, _) = bytes.as_chunks();
        std::array::from_fn(|at| u64::from_ne_bytes(words[at]))
    }

    /// The verdict for a text that argon2 confirmed before.
    fn known(&self, digest: &Digest) -> Option<Verdict> {
        let table = self.read();
        if let Some(Live { id, confirmed: Some(confirmed), .. }) = &table.live
            && bool::from(confirmed.ct_eq(digest))
        {
            return Some(Verdict::Valid(id.clone()));
        }
        let (_, id) = table.confirmed_ended.iter().find(|(known, _)| bool::from(known.ct_eq(digest)))?;
        let (_, ending) = table.ended.get(id)?;
        Some(Verdict::Refused(Refusal::Ended(*ending), Some(id.clone())))
    }

    fn phc_of(&self, id: &KeyId) -> Option<Arc<str>> {
        let table = self.read();
        match &table.live {
            Some(live) if live.id == *id => Some(live.hash.clone()),
            _ => table.ended.get(id).map(|(hash, _)| hash.clone()),
        }
    }

    fn confirm(&self, digest: Digest, id: KeyId) {
        let mut table = self.write();
        match &mut table.live {
            Some(live) if live.id == id => live.confirmed = Some(digest),
            _ => table.remember_ended(digest, id),
        }
    }

    async fn hash_once(&self, digest: Digest, presented: &str, phc: Arc<str>) -> Result<bool, Busy> {
        let cell = self.lock_in_flight().entry(digest).or_default().clone();
        let outcome = cell
            .get_or_try_init(|| async {
                let permit = self.hashing.clone().try_acquire_owned().map_err(|_| Busy)?;
                let presented = secrecy::SecretString::from(presented);
                let run = tokio::task::spawn_blocking(move || {
                    use secrecy::ExposeSecret;
                    // The permit travels with the work: a caller that hangs up frees no core.
                    let _permit = permit;
                    hash::matches(presented.expose_secret(), &phc)
                });
                // A run that died proved nothing.
                Ok(run.await.unwrap_or(false))
            })
            .await
            .copied();
        self.lock_in_flight().remove(&digest);
        outcome
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_in_flight(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<OnceCell<bool>>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remember_ended(&mut self, digest: Digest, id: KeyId) {
        self.confirmed_ended.retain(|(known, _)| *known != digest);
        self.confirmed_ended.truncate(REMEMBERED_ENDED - 1);
        self.confirmed_ended.push_front((digest, id));
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        use secrecy::zeroize::Zeroize;
        self.mac_key.zeroize();
    }
}

struct Busy;
