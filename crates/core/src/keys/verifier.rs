//! Decides whether a presented text is the live key: a microsecond for its holder, and as little for
//! whoever guesses.
//!
//! A text that was not made here fails at its check characters (a MAC under the profile's secret). One
//! that argon2 confirmed once is known again by its keyed digest (the key of the digest is random and
//! dies with the process). What is left, a key's first call, costs one argon2 run; runs follow each
//! other, the live key's before those of ended ones, and nobody is turned away for waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use blake2::Blake2sMac256;
use blake2::digest::Mac;
use rand::TryRng;
use rand::rngs::SysRng;
use subtle::ConstantTimeEq;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{Ending, HashedKey, KeyId, KeyRecord, Malformed, hash, text};
use crate::clock::{Clock, UnixMs};
use crate::error::Error;
use crate::profile_secret::ProfileSecret;

/// Why a text does not open the agent API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not a key at all, or a mistyped one.
    Malformed(Malformed),
    /// Of the right form, but no key of this app.
    Unknown,
    /// A key of this app that has ended. Told only to its holder.
    Ended(Ending),
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

struct Live {
    id: KeyId,
    hash: Arc<str>,
    expires_at: Option<UnixMs>,
    confirmed: Option<Digest>,
}

impl Live {
    fn ended(self, ending: Ending) -> Ended {
        Ended { hash: self.hash, ending, confirmed: self.confirmed }
    }
}

struct Ended {
    hash: Arc<str>,
    ending: Ending,
    /// Its holder is known again without argon2.
    confirmed: Option<Digest>,
}

#[derive(Default)]
struct KeyTable {
    live: Option<Live>,
    ended: HashMap<KeyId, Ended>,
}

/// Who may run argon2 next: 19 MiB and a core for tens of milliseconds, so one at a time. Of ended keys
/// only one waits for its run, the others for that one: the live key never has more than two before it.
#[derive(Clone)]
struct HashQueue {
    run: Arc<Semaphore>,
    ended: Arc<Semaphore>,
}

type HashPermit = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

impl HashQueue {
    fn new() -> Self {
        Self { run: Arc::new(Semaphore::new(1)), ended: Arc::new(Semaphore::new(1)) }
    }

    /// First come, first served. `None`: never, since nobody closes these.
    async fn wait(&self, is_live: bool) -> Option<HashPermit> {
        let among_ended = if is_live { None } else { Some(self.ended.clone().acquire_owned().await.ok()?) };
        Some((among_ended, self.run.clone().acquire_owned().await.ok()?))
    }
}

/// One argon2 run per presented text, however many callers present it.
type InFlight = Mutex<HashMap<Digest, Arc<OnceCell<bool>>>>;

pub(super) struct Verifier {
    mac_key: [u8; 16],
    profile: ProfileSecret,
    table: Arc<RwLock<KeyTable>>,
    queue: HashQueue,
    in_flight: InFlight,
}

impl Verifier {
    pub(super) fn new(profile: ProfileSecret) -> Result<Self, Error> {
        let mut mac_key = [0; 16];
        SysRng
            .try_fill_bytes(&mut mac_key)
            .map_err(|error| Error::Internal(format!("no random numbers from the system: {error}")))?;
        Ok(Self { mac_key, profile, table: Arc::default(), queue: HashQueue::new(), in_flight: Mutex::default() })
    }

    /// Takes over the rows of the store. When this returns, a key that has ended in them
    /// opens nothing any more.
    pub(super) fn load(&self, rows: Vec<HashedKey>) {
        let mut table = write(&self.table);
        let before = std::mem::take(&mut *table);
        let confirmed = |id: &KeyId| match (&before.live, before.ended.get(id)) {
            (Some(live), _) if live.id == *id => live.confirmed,
            (_, Some(ended)) => ended.confirmed,
            _ => None,
        };
        for row in rows {
            let confirmed = confirmed(&row.id);
            // Expired while this process watched, and not yet written by it: stays ended, also when the
            // clock is set back.
            let ending = row.ending.or(before.ended.get(&row.id).map(|ended| ended.ending));
            match ending {
                Some(ending) => drop(table.ended.insert(row.id, Ended { hash: row.hash, ending, confirmed })),
                None => table.live = Some(Live { id: row.id, hash: row.hash, expires_at: row.expires_at, confirmed }),
            }
        }
    }

    /// Puts a key in force that is in the rows; the live one was replaced with that.
    pub(super) fn issue(&self, row: &KeyRecord) {
        let mut table = write(&self.table);
        let live = Live { id: row.id.clone(), hash: row.hash.clone(), expires_at: row.expires_at, confirmed: None };
        if let Some(before) = table.live.replace(live) {
            table.ended.insert(before.id.clone(), before.ended(Ending::Replaced));
        }
    }

    /// Ends the live key, where it is this one.
    pub(super) fn end_live(&self, id: &KeyId, ending: Ending) {
        let mut table = write(&self.table);
        if let Some(live) = table.live.take_if(|live| live.id == *id) {
            table.ended.insert(live.id.clone(), live.ended(ending));
        }
    }

    /// Ends the live key when its time has run out. Returns it the one time that it does.
    pub(super) fn expire(&self, now: UnixMs) -> Option<KeyId> {
        let due = |live: &Live| live.expires_at.is_some_and(|at| at <= now);
        if !self.read().live.as_ref().is_some_and(due) {
            return None;
        }
        let mut table = write(&self.table);
        let live = table.live.take_if(|live| due(live))?;
        let id = live.id.clone();
        table.ended.insert(id.clone(), live.ended(Ending::Expired));
        Some(id)
    }

    /// Confirms a key in the process that made it: its first call costs as little as any other.
    pub(super) fn confirm_created(&self, text: &super::KeyText) {
        confirm(&self.table, self.digest(text.expose()), &text.id());
    }

    /// What `presented` is worth at this moment. The caller has run [`Self::expire`].
    pub(super) async fn verify(&self, presented: &str, clock: &Clock) -> Verdict {
        let digest = self.digest(presented);
        if let Some(id) = self.opens(&digest) {
            return Verdict::Valid(id);
        }
        let id = match text::made_by(&self.profile, presented) {
            Ok(id) => KeyId(id.into()),
            Err(malformed) => return Verdict::Refused(Refusal::Malformed(malformed), None),
        };
        if let Some(refused) = self.known_as_ended(&id, &digest) {
            return refused;
        }
        let unknown = Verdict::Refused(Refusal::Unknown, None);
        if !self.hash_once(digest, presented, &id).await {
            return unknown;
        }
        // Time has passed and the key may have ended meanwhile: look again.
        self.expire(clock.now());
        self.opens(&digest).map(Verdict::Valid).or_else(|| self.known_as_ended(&id, &digest)).unwrap_or(unknown)
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

    /// The live key, where this is the digest of its text, confirmed before.
    fn opens(&self, digest: &Digest) -> Option<KeyId> {
        match &self.read().live {
            Some(Live { id, confirmed: Some(confirmed), .. }) if bool::from(confirmed.ct_eq(digest)) => {
                Some(id.clone())
            }
            _ => None,
        }
    }

    /// How the key of this id ended, where the caller is known to hold its text.
    fn known_as_ended(&self, id: &KeyId, digest: &Digest) -> Option<Verdict> {
        let table = self.read();
        let ended = table.ended.get(id).filter(|ended| ended.confirmed.is_some_and(|own| own.ct_eq(digest).into()))?;
        Some(Verdict::Refused(Refusal::Ended(ended.ending), Some(id.clone())))
    }

    /// The hash of the key of this id, and whether it is the live one.
    fn phc_of(&self, id: &KeyId) -> Option<(Arc<str>, bool)> {
        let table = self.read();
        match &table.live {
            Some(live) if live.id == *id => Some((live.hash.clone(), true)),
            _ => table.ended.get(id).map(|ended| (ended.hash.clone(), false)),
        }
    }

    /// Whether argon2 finds that this is the text of the key of this id, which is confirmed then.
    async fn hash_once(&self, digest: Digest, presented: &str, id: &KeyId) -> bool {
        let Some((phc, is_live)) = self.phc_of(id) else { return false };
        let asked = Asked { in_flight: &self.in_flight, digest };
        let run = asked.run();
        let matches = run.get_or_init(|| async {
            let Some(permit) = self.queue.wait(is_live).await else { return false };
            let (presented, id, table) = (secrecy::SecretString::from(presented), id.clone(), self.table.clone());
            let hashing = tokio::task::spawn_blocking(move || {
                use secrecy::ExposeSecret;
                // The permit travels with the work, and so does what comes of it: a caller that hangs up
                // frees no core and loses no confirmation.
                let _permit = permit;
                let matches = hash::matches(presented.expose_secret(), &phc);
                if matches {
                    confirm(&table, digest, &id);
                }
                matches
            });
            // A run that died proved nothing.
            hashing.await.unwrap_or(false)
        });
        *matches.await
    }

    fn read(&self) -> RwLockReadGuard<'_, KeyTable> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(table: &RwLock<KeyTable>) -> RwLockWriteGuard<'_, KeyTable> {
    table.write().unwrap_or_else(PoisonError::into_inner)
}

/// The text with this digest is that of the key of this id.
fn confirm(table: &RwLock<KeyTable>, digest: Digest, id: &KeyId) {
    let mut table = write(table);
    if let Some(live) = table.live.as_mut().filter(|live| live.id == *id) {
        live.confirmed = Some(digest);
    } else if let Some(ended) = table.ended.get_mut(id) {
        ended.confirmed = Some(digest);
    }
}

/// One caller's part in a run. The last one to leave, with an answer or without, takes it off the list.
struct Asked<'a> {
    in_flight: &'a InFlight,
    digest: Digest,
}

impl Asked<'_> {
    /// The run. To be let go before this is.
    fn run(&self) -> Arc<OnceCell<bool>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).entry(self.digest).or_default().clone()
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut all = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&self.digest).is_some_and(|run| Arc::strong_count(run) == 1) {
            all.remove(&self.digest);
        }
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        use secrecy::zeroize::Zeroize;
        self.mac_key.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyText;

    fn row(text: &KeyText, ending: Option<Ending>) -> HashedKey {
        HashedKey { id: text.id(), hash: hash::hash(text).expect("hashes").into(), expires_at: None, ending }
    }

    #[tokio::test]
    async fn s18_whoever_hangs_up_leaves_nothing_behind_and_still_confirms() {
        let profile = ProfileSecret::generate().expect("random numbers");
        let (live, ended) = (KeyText::generate(&profile), KeyText::generate(&profile));
        let verifier = Verifier::new(profile).expect("a verifier");
        verifier.load(vec![row(&live, None), row(&ended, Some(Ending::Revoked))]);
        let clock = Clock::from_fn(|| UnixMs(5));
        {
            // One that has its run, and many that wait for theirs.
            let mut asked = [&live, &ended].map(|text| Box::pin(verifier.verify(text.expose(), &clock)));
            for asked in &mut asked {
                assert!(futures_poll(asked.as_mut()).is_none());
            }
            assert_eq!(verifier.in_flight.lock().expect("not poisoned").len(), 2);
        }
        assert!(verifier.in_flight.lock().expect("not poisoned").is_empty());
        // The run that had begun went on without its caller: the live key waits for it, then is known.
        let _permit = verifier.queue.wait(true).await;
        assert_eq!(verifier.opens(&verifier.digest(live.expose())), Some(live.id()));
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn the_live_key_goes_before_any_number_of_ended_ones() {
        let queue = HashQueue::new();
        let running = queue.wait(false).await;
        let mut ended: Vec<_> = (0..50).map(|_| Box::pin(queue.wait(false))).collect();
        for waiting in &mut ended {
            assert!(futures_poll(waiting.as_mut()).is_none());
        }
        let mut live = Box::pin(queue.wait(true));
        assert!(futures_poll(live.as_mut()).is_none());
        drop(running);
        assert!(futures_poll(live.as_mut()).is_some(), "the run was free, and an ended key was let in first");
    }
}
