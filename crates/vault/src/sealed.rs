//! The vault of a fleet: secrets lie sealed beside the rows, and any host that holds the fleet key opens them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::port::{Later, SealedRows, SealedValue, Vault};
use atthene_core::vault::{VaultError, VaultKind};
use secrecy::{ExposeSecret, SecretString};

use crate::fleet_key::FleetKey;
use crate::in_force::{away, in_force};
use crate::seal::{open_sealed, seal};

/// How often a secret is sealed at the most: again only where the key changed between sealing and writing.
const TRIES: u32 = 3;
/// How long after it was asked in vain the host's own vault is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// Where a host looks for its key when the one it works with is over.
type KeySource = Arc<dyn Fn() -> Later<'static, Option<FleetKey>> + Send + Sync>;

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
    source: Option<KeySource>,
    /// When the source was asked last. Held while it is asked: one asks for all.
    asked_at: Arc<tokio::sync::Mutex<Option<Instant>>>,
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
            source: None,
            asked_at: Arc::default(),
            trouble: Arc::default(),
            is_among_rows: false,
        }
    }

    /// The same, where the rows lie in the store of the profile: a secret is written together with its row.
    #[must_use]
    pub fn among_rows(self) -> Self {
        Self { is_among_rows: true, ..self }
    }

    /// The same, which asks this for the key again where the one it has is over: after a rotation by this host, and after
    /// it was given a new invite.
    #[must_use]
    pub fn asking(self, source: impl Fn() -> Later<'static, Option<FleetKey>> + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }

    fn key(&self) -> Arc<FleetKey> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs this where it may block; once more where there is another key for it by now.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn SealedRows, &FleetKey, &str) -> Result<T, VaultError> + Clone + Send + 'static,
    ) -> Result<T, VaultError> {
        let key = self.key();
        let mut outcome = self.run_with(key.clone(), work.clone()).await;
        if matches!(outcome, Err(VaultError::OtherFleetKey { .. }))
            && let Some(another) = self.another_than(&key).await
        {
            outcome = self.run_with(another, work).await;
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }

    async fn run_with<T: Send + 'static>(
        &self,
        key: Arc<FleetKey>,
        work: impl FnOnce(&dyn SealedRows, &FleetKey, &str) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (rows, profile) = (self.rows.clone(), self.profile.clone());
        let done = tokio::task::spawn_blocking(move || work(&*rows, &key, &profile)).await;
        done.unwrap_or_else(|error| Err(VaultError::Rows(error.to_string())))
    }

    /// The key that this host has by now, where it is another one. From then on it opens and seals with that.
    async fn another_than(&self, over: &FleetKey) -> Option<Arc<FleetKey>> {
        let source = self.source.as_ref()?;
        let mut asked_at = self.asked_at.lock().await;
        // Somebody else has asked while this waited.
        let by_now = self.key();
        if *by_now != *over {
            return Some(by_now);
        }
        if asked_at.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return None;
        }
        *asked_at = Some(Instant::now());
        let found = Arc::new(source().await.filter(|found| found != over)?);
        tracing::info!(key = %found.id(), "the secrets of the fleet are opened with another key from now on");
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&found);
        *asked_at = None;
        Some(found)
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
        Box::pin(self.run(move |rows, key, profile| {
            until_kept(|| rows.put(&entry, &seal_now(rows, key, profile, &entry, &secret)?).map_err(away))
        }))
    }

    fn seal<'a>(
        &'a self,
        name: &'a str,
        secret: &'a SecretString,
    ) -> Later<'a, Result<Option<SealedValue>, VaultError>> {
        if !self.is_among_rows {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let (entry, secret) = (name.to_owned(), secret.clone());
        Box::pin(self.run(move |rows, key, profile| seal_now(rows, key, profile, &entry, &secret).map(Some)))
    }

    /// Needs no key: whoever left the fleet may still forget what is theirs.
    fn delete<'a>(&'a self, name: &str) -> Later<'a, Result<(), VaultError>> {
        let entry = name.to_owned();
        Box::pin(self.run(move |rows, _, _| rows.delete(&entry).map_err(away)))
    }

    /// Whether the rows take a change, and this host's key is the one in force.
    fn check_writable(&self) -> Later<'_, Result<(), VaultError>> {
        Box::pin(
            self.run(move |rows, key, profile| {
                until_kept(|| rows.would_put(&in_force(rows, key, profile)?).map_err(away))
            }),
        )
    }

    /// There is no choice: what [`VaultKind`] names is where each host keeps the fleet key.
    fn choose(&self, _: VaultKind) {}

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A secret, sealed under a key that is in force. Whether it still is, is asked again when it is written.
fn seal_now(
    rows: &dyn SealedRows,
    key: &FleetKey,
    profile: &str,
    entry: &str,
    secret: &SecretString,
) -> Result<SealedValue, VaultError> {
    let proof = in_force(rows, key, profile)?;
    Ok(SealedValue { bytes: seal(key, profile, entry, secret.expose_secret())?, proof })
}

/// Where the key changed between sealing and writing, the next look at it says so.
fn until_kept(attempt: impl Fn() -> Result<bool, VaultError>) -> Result<(), VaultError> {
    for _ in 0..TRIES {
        if attempt()? {
            return Ok(());
        }
    }
    Err(VaultError::Rows("Its fleet key was changed all the while.".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        rows.rows.plant("b", &old);
        assert!(matches!(host.get("b").await, Err(VaultError::Damaged(entry)) if entry == "b"));
        assert!(host.trouble().is_some_and(|trouble| trouble.contains("\"b\"")), "it is told");
        // That can't be told apart. Whose it was stays inside, so it leads to nobody else.
        rows.rows.plant("a", &old);
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
    async fn a_secret_that_a_rotation_overtakes_is_refused_and_nothing_is_written() {
        let (rows, key, host) = fleet();
        host.set("a", "before".into()).await.expect("keeps");
        let among_rows = host.clone().among_rows();
        let overtaken = among_rows.seal("b", &"of-b".into()).await.expect("seals").expect("among rows");
        let new = FleetKey::generate();
        let (old, next) = (same_key(&key), same_key(&new));
        rows.before_putting(move |rows| {
            rotate(rows, &old, &next, PROFILE).expect("rotates");
        });
        let refused = host.set("a", "after".into()).await.expect_err("under a key that is over");
        assert!(matches!(refused, VaultError::OtherFleetKey { .. }), "{refused:?}");
        assert!(!rows.put("b", &overtaken).expect("asks"), "sealed before, written after");
        assert!(rows.rows.get("b").expect("reads").is_none());
        let other = Sealed::new(rows.clone(), new, PROFILE);
        assert_eq!(read(&other, "a").await.as_deref(), Some("before"));
    }

    #[tokio::test]
    async fn a_host_that_was_given_the_new_key_takes_it_up_by_itself() {
        let (rows, key, host) = fleet();
        let own: Arc<Mutex<Option<FleetKey>>> = Arc::default();
        let (of_source, asked) = (own.clone(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        let host = host.asking(move || {
            count.fetch_add(1, Ordering::AcqRel);
            let found = of_source.lock().expect("not poisoned").as_ref().map(same_key);
            Box::pin(std::future::ready(found))
        });
        host.set("a", "of-a".into()).await.expect("keeps");
        let new = FleetKey::generate();
        rotate(&*rows, &key, &new, PROFILE).expect("rotates");
        for _ in 0..5 {
            assert!(matches!(host.set("a", "of-a, later".into()).await, Err(VaultError::OtherFleetKey { .. })));
        }
        assert_eq!(asked.load(Ordering::Acquire), 1, "its own vault is not asked all the while");
        *own.lock().expect("not poisoned") = Some(same_key(&new));
        *host.asked_at.lock().await = None;
        host.set("a", "of-a, later".into()).await.expect("keeps");
        assert_eq!((read(&host, "a").await.as_deref(), host.trouble()), (Some("of-a, later"), None));
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
