//! The vault of a fleet: secrets lie sealed beside the rows, and any host that holds the fleet key opens them.

use std::sync::{Arc, Mutex, PoisonError};

use atthene_core::port::{Later, SealedRows, Vault};
use atthene_core::vault::{VaultError, VaultKind};
use secrecy::{ExposeSecret, SecretString};

use crate::fleet_key::FleetKey;
use crate::in_force::{IN_FORCE, away, in_force};
use crate::random;
use crate::seal::{open_sealed, seal};

/// How often a writing is begun anew when others write the same entry.
const TRIES: u32 = 20;

/// Sealed secrets beside the rows of a fleet.
///
/// Two hosts that write one entry follow each other, and a host with a key that is over writes nothing. What was kept
/// is kept when a call returns, and a call that nobody waits for any more is done all the same.
#[derive(Clone)]
pub struct Sealed {
    rows: Arc<dyn SealedRows>,
    /// Tells fleets apart: what was sealed for another one does not open.
    profile: Arc<str>,
    key: Arc<Mutex<Arc<FleetKey>>>,
    /// What the latest call came to.
    trouble: Arc<Mutex<Option<String>>>,
    /// Whether these rows lie in the store of the profile, which writes a secret together with its row then.
    is_among_rows: bool,
}

impl Sealed {
    /// The secrets of the fleet of this profile. Nothing is read yet.
    pub fn new(rows: Arc<dyn SealedRows>, key: FleetKey, profile: &str) -> Self {
        Self {
            rows,
            profile: profile.into(),
            key: Arc::new(Mutex::new(Arc::new(key))),
            trouble: Arc::default(),
            is_among_rows: false,
        }
    }

    /// The same, where the rows lie in the store of the profile: a secret is written together with its row.
    #[must_use]
    pub fn among_rows(self) -> Self {
        Self { is_among_rows: true, ..self }
    }

    /// Opens and seals with this key from now on: after a rotation, and after this host joined again. What is under
    /// way ends with the one before.
    pub fn use_key(&self, key: FleetKey) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    /// Runs this where it may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn SealedRows, &FleetKey, &str) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (rows, profile) = (self.rows.clone(), self.profile.clone());
        let done = tokio::task::spawn_blocking(move || work(&*rows, &key, &profile)).await;
        let outcome = done.unwrap_or_else(|error| Err(VaultError::Rows(error.to_string())));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }
}

impl Vault for Sealed {
    fn get<'a>(&'a self, name: &str) -> Later<'a, Result<Option<SecretString>, VaultError>> {
        let entry = name.to_owned();
        Box::pin(self.run(move |rows, key, profile| {
            let sealed = rows.get(&entry).map_err(away)?;
            sealed.map(|sealed| open_sealed(key, profile, &entry, &sealed)).transpose()
        }))
    }

    fn set<'a>(&'a self, name: &str, secret: SecretString) -> Later<'a, Result<(), VaultError>> {
        let entry = name.to_owned();
        Box::pin(self.run(move |rows, key, profile| write(rows, key, profile, &entry, &secret)))
    }

    fn seal<'a>(&'a self, name: &'a str, secret: &'a SecretString) -> Later<'a, Result<Option<Vec<u8>>, VaultError>> {
        if !self.is_among_rows {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let (entry, secret) = (name.to_owned(), secret.clone());
        Box::pin(self.run(move |rows, key, profile| {
            in_force(rows, key, profile)?;
            seal(key, profile, &entry, secret.expose_secret()).map(Some)
        }))
    }

    /// Needs no key: whoever left the fleet may still forget what is theirs.
    fn delete<'a>(&'a self, name: &str) -> Later<'a, Result<(), VaultError>> {
        let entry = name.to_owned();
        Box::pin(self.run(move |rows, _, _| rows.delete(&entry).map_err(away)))
    }

    /// Whether the rows take a change, and this host's key is the one in force: written with what is there already.
    fn check_writable(&self) -> Later<'_, Result<(), VaultError>> {
        Box::pin(self.run(move |rows, key, profile| {
            for attempt in 0..TRIES {
                wait(attempt);
                if rows.replace_all(&[same(in_force(rows, key, profile)?)]).map_err(away)? {
                    return Ok(());
                }
            }
            Err(busy())
        }))
    }

    /// There is no choice: what [`VaultKind`] names is where each host keeps the fleet key.
    fn choose(&self, _: VaultKind) {}

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps a secret, where this key is in force at the very moment of writing.
fn write(
    rows: &dyn SealedRows,
    key: &FleetKey,
    profile: &str,
    entry: &str,
    secret: &SecretString,
) -> Result<(), VaultError> {
    // Put, and not confirmed yet.
    let mut unsure: Option<Vec<u8>> = None;
    for attempt in 0..TRIES {
        wait(attempt);
        let proof = match in_force(rows, key, profile) {
            Ok(proof) => proof,
            Err(error) => {
                take_back(rows, entry, unsure.as_deref());
                return Err(error);
            }
        };
        let sealed = seal(key, profile, entry, secret.expose_secret())?;
        let before = if let Some(before) = rows.get(entry).map_err(away)? {
            before
        } else {
            // Only what is there can be compared, so it is put first and confirmed then.
            rows.put(entry, &sealed).map_err(away)?;
            unsure = Some(sealed.clone());
            sealed.clone()
        };
        if rows.replace_all(&[same(proof), (entry.to_owned(), before, sealed)]).map_err(away)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Another key came into force while this was put: it must not lie there under one that is over. Where that fails,
/// no row expects it, and the next start sweeps it.
fn take_back(rows: &dyn SealedRows, entry: &str, unsure: Option<&[u8]>) {
    if unsure.is_some_and(|ours| rows.get(entry).is_ok_and(|there| there.as_deref() == Some(ours)))
        && let Err(error) = rows.delete(entry)
    {
        tracing::warn!(%error, "a secret is left under a fleet key that is over");
    }
}

/// The key in force stays as it is; first, so that all who write wait for one another in one order.
fn same(proof: Vec<u8>) -> (String, Vec<u8>, Vec<u8>) {
    (IN_FORCE.to_owned(), proof.clone(), proof)
}

fn busy() -> VaultError {
    VaultError::Rows("Others changed them all the while.".to_owned())
}

/// Not in step with whoever was in the way: up to some tens of milliseconds.
fn wait(attempt: u32) {
    if attempt > 0 {
        let mut random = [0];
        random::fill(&mut random);
        std::thread::sleep(std::time::Duration::from_millis(u64::from(random[0]) * u64::from(attempt.min(8)) / 32));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use atthene_core::StoreError;

    use super::*;
    use crate::hooked_rows::HookedRows;
    use crate::in_force::put_in_force;
    use crate::rotation::rotate;

    const PROFILE: &str = "profile of the tests";

    fn same_key(key: &FleetKey) -> FleetKey {
        FleetKey::from_text(&key.text()).expect("its own text")
    }

    /// A fleet, its key and one of its hosts.
    fn fleet() -> (Arc<HookedRows>, FleetKey, Sealed) {
        let (rows, key) = (Arc::new(HookedRows::default()), FleetKey::generate());
        put_in_force(&*rows, &key, PROFILE).expect("begins");
        let host = Sealed::new(rows.clone(), same_key(&key), PROFILE);
        (rows, key, host)
    }

    async fn read(host: &Sealed, entry: &str) -> Option<String> {
        host.get(entry).await.expect("reads").map(|secret| secret.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn what_one_host_keeps_every_host_reads_until_it_is_forgotten() {
        let (rows, key, host) = fleet();
        let other = Sealed::new(rows.clone(), same_key(&key), PROFILE);
        assert!(host.get("a").await.expect("reads").is_none());
        for length in [0, 1, 255, 256, 257, 5000, 10 * 1024] {
            let secret = "s".repeat(length);
            host.set("a", secret.as_str().into()).await.expect("keeps");
            assert!(read(&other, "a").await.as_deref() == Some(&secret), "{length}");
        }
        other.delete("a").await.expect("forgets");
        other.delete("a").await.expect("is gone already");
        assert!(host.get("a").await.expect("reads").is_none());
        host.check_writable().await.expect("writable");
        assert_eq!(rows.rows.all().expect("reads").len(), 1, "nothing is left of it");
    }

    #[tokio::test]
    async fn a_value_in_another_row_is_refused_and_an_older_one_of_the_same_row_opens() {
        let (rows, _, host) = fleet();
        host.set("a", "of-a".into()).await.expect("keeps");
        host.set("b", "of-b".into()).await.expect("keeps");
        let old = rows.rows.get("a").expect("reads").expect("there");
        host.set("a", "of-a, newer".into()).await.expect("keeps");
        rows.rows.put("b", &old).expect("moved");
        assert!(matches!(host.get("b").await, Err(VaultError::Damaged(entry)) if entry == "b"));
        assert!(host.trouble().is_some_and(|trouble| trouble.contains("\"b\"")), "it is told");
        // That can't be told apart. Whose it was stays inside, so it leads to nobody else.
        rows.rows.put("a", &old).expect("put back");
        assert_eq!(read(&host, "a").await.as_deref(), Some("of-a"));
        // What was damaged can be written over.
        host.set("b", "of-b, anew".into()).await.expect("keeps");
        assert_eq!(read(&host, "b").await.as_deref(), Some("of-b, anew"));
    }

    #[tokio::test]
    async fn a_host_with_another_key_is_told_so_and_changes_nothing() {
        let (rows, key, host) = fleet();
        host.set("a", "of-a".into()).await.expect("keeps");
        let before = rows.rows.all().expect("reads");
        let stranger = Sealed::new(rows.clone(), FleetKey::generate(), PROFILE);
        let outcomes = [
            stranger.get("a").await.map(drop),
            stranger.set("a", "planted".into()).await,
            stranger.set("new", "planted".into()).await,
            stranger.check_writable().await,
            put_in_force(&*rows, &FleetKey::generate(), PROFILE),
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(VaultError::OtherFleetKey { .. })), "{outcome:?}");
        }
        let elsewhere = Sealed::new(rows.clone(), same_key(&key), "profile of others");
        assert!(matches!(elsewhere.get("a").await, Err(VaultError::Damaged(_))));
        assert!(matches!(elsewhere.set("a", "planted".into()).await, Err(VaultError::Damaged(_))));
        assert_eq!(rows.rows.all().expect("reads"), before);
        stranger.use_key(same_key(&key));
        assert_eq!(read(&stranger, "a").await.as_deref(), Some("of-a"));
        assert_eq!(stranger.trouble(), None);
    }

    #[tokio::test]
    async fn rows_that_are_away_are_told_with_what_the_store_said() {
        let (rows, _, host) = fleet();
        rows.is_away.store(true, Ordering::Release);
        for outcome in [host.get("a").await.map(drop), host.set("a", "s".into()).await, host.check_writable().await] {
            let away = outcome.expect_err("away").to_string();
            assert!(away.contains(&StoreError::Locked.to_string()), "{away}");
        }
        assert!(host.trouble().is_some());
        rows.is_away.store(false, Ordering::Release);
        host.set("a", "s".into()).await.expect("keeps");
        assert_eq!(host.trouble(), None);
    }

    #[tokio::test]
    async fn a_new_entry_that_a_rotation_overtakes_is_not_left_under_the_old_key() {
        let (rows, key, host) = fleet();
        let new = FleetKey::generate();
        let (old, next) = (same_key(&key), same_key(&new));
        rows.before_putting(move |rows| {
            rotate(rows, &old, &next, PROFILE).expect("rotates");
        });
        let refused = host.set("a", "of-a".into()).await.expect_err("under a key that is over");
        assert!(matches!(refused, VaultError::OtherFleetKey { .. }), "{refused:?}");
        assert!(rows.rows.get("a").expect("reads").is_none());
        host.use_key(new);
        host.set("a", "of-a".into()).await.expect("keeps");
        assert_eq!(read(&host, "a").await.as_deref(), Some("of-a"));
    }

    #[tokio::test]
    async fn an_entry_that_a_rotation_overtakes_is_not_written_over() {
        let (rows, key, host) = fleet();
        host.set("a", "before".into()).await.expect("keeps");
        let new = FleetKey::generate();
        let (old, next) = (same_key(&key), same_key(&new));
        rows.before_replacing(move |rows| {
            rotate(rows, &old, &next, PROFILE).expect("rotates");
        });
        let refused = host.set("a", "after".into()).await.expect_err("under a key that is over");
        assert!(matches!(refused, VaultError::OtherFleetKey { .. }), "{refused:?}");
        host.use_key(new);
        assert_eq!(read(&host, "a").await.as_deref(), Some("before"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn hosts_that_write_at_once_all_come_through() {
        let (rows, key, _) = fleet();
        let hosts: Vec<Sealed> = (0..8).map(|_| Sealed::new(rows.clone(), same_key(&key), PROFILE)).collect();
        let writings: Vec<_> = hosts
            .iter()
            .enumerate()
            .map(|(at, host)| {
                let host = host.clone();
                tokio::spawn(async move {
                    for n in 0..20 {
                        host.set("shared", format!("{at} {n}").into()).await.expect("keeps");
                        host.set(&format!("own {at}"), format!("{n}").into()).await.expect("keeps");
                    }
                })
            })
            .collect();
        for writing in writings {
            writing.await.expect("ends");
        }
        assert!(read(&hosts[0], "shared").await.is_some_and(|last| last.ends_with(" 19")));
        for at in 0..8 {
            assert_eq!(read(&hosts[0], &format!("own {at}")).await.as_deref(), Some("19"));
        }
    }
}
