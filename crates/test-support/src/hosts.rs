//! Hosts that share one profile in PostgreSQL: each with a folder of its own, all with one clock, one authority and the
//! secrets among the rows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::identity::Profile;
use atthene_core::port::{Later, LeaseRows, SealedRows, SealedValue, Store, Vault};
use atthene_core::vault::{VaultError, VaultKind};
use atthene_core::{Actor, Clock, Core, Environment, Host, Leases, Policy, SecretChange};
use atthene_identity::{Network, Platforms};
use atthene_store::Postgres;
use secrecy::{ExposeSecret, SecretString};

use crate::databases;
use crate::lenient::Lenient;
use crate::machine::Machine;
use crate::vaults::SharedVault;
use crate::world::World;

/// Leaves a test that is about several hosts, where no server is there to share; says so.
#[macro_export]
macro_rules! needs_server {
    () => {
        if $crate::databases::server().is_none() {
            eprintln!("skipped: {} names no PostgreSQL server", $crate::databases::SERVER);
            return;
        }
    };
}

/// What one host sees of the shared profile.
pub struct Place {
    pub store: Arc<Postgres>,
    pub leases: Arc<dyn LeaseRows>,
    pub host: Host,
    pub clock: Clock,
    /// How long a lease lasts that nobody renews.
    pub ttl: Duration,
    /// Whether the authority is one that takes a spent refresh token for nothing.
    pub is_lenient: bool,
}

impl Place {
    /// The database at this URL, for the host of this folder.
    pub fn at(url: &str, folder: &Path, clock: Clock) -> Self {
        let host = Host::of(folder, folder.file_name().unwrap_or_default().to_string_lossy()).expect("a folder");
        let store = Arc::new(databases::open_as(url, folder, &host).expect("opens"));
        Self { leases: store.clone(), store, host, clock, ttl: Duration::from_secs(2), is_lenient: false }
    }

    /// With its secrets as they are.
    pub fn open(self) -> Arc<Core> {
        let vault = Arc::new(RowsVault::new(self.store.clone()));
        self.open_with(vault)
    }

    pub fn open_with(self, vault: Arc<dyn Vault>) -> Arc<Core> {
        let Self { store, leases, host, clock, ttl, is_lenient } = self;
        let http = Arc::new(Network::default());
        let platforms = Platforms::new(http.clone());
        let profile = Profile::at(store.folder());
        let environment = Environment {
            vault,
            store,
            identity: if is_lenient { Arc::new(Lenient(platforms)) } else { Arc::new(platforms) },
            http,
            clock,
            policy: Policy::default(),
            actor: Actor::Window,
            os_user: None,
            leases: Some(Leases::new(leases, &host).lasting(ttl)),
        };
        Core::open(&profile, environment).expect("opens")
    }
}

/// A shared profile, and what its first host has done in it.
pub struct Hosts {
    /// Its core is that of the first host.
    pub world: World,
    pub url: String,
    folders: tempfile::TempDir,
}

impl Hosts {
    /// A new database with an integration, opened by its first host.
    pub async fn new() -> Self {
        Self::at(databases::empty()).await
    }

    /// The same in this database.
    pub async fn at(url: String) -> Self {
        let folders = tempfile::tempdir().expect("a folder");
        let machine = Machine::new();
        let core = Place::at(&url, &folders.path().join("0"), machine.clock()).open();
        let world = World::of(machine, SharedVault::default(), core, SecretChange::Keep, "http://127.0.0.1:1").await;
        Self { world, url, folders }
    }

    /// What the host of this number sees.
    pub fn place(&self, number: usize) -> Place {
        Place::at(&self.url, &self.folder(number), self.world.machine.clock())
    }

    pub fn folder(&self, number: usize) -> std::path::PathBuf {
        self.folders.path().join(number.to_string())
    }
}

/// The vault of a shared profile. Sealing is somebody else's part: here the secrets lie as they are.
struct RowsVault(Arc<Postgres>);

/// What stands for a key that never changes.
const PROOF: &[u8] = b"in force";

fn as_it_is(secret: &SecretString) -> SealedValue {
    SealedValue { bytes: secret.expose_secret().as_bytes().to_vec(), proof: PROOF.to_vec() }
}

impl RowsVault {
    fn new(rows: Arc<Postgres>) -> Self {
        rows.put_first(PROOF).expect("begins");
        Self(rows)
    }

    fn asked<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Postgres) -> Result<T, atthene_core::StoreError> + Send + 'static,
    ) -> Later<'_, Result<T, VaultError>> {
        let rows = self.0.clone();
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || ask(&rows)).await.expect("no panic");
            asked.map_err(|error| VaultError::Refused(error.to_string()))
        })
    }
}

impl Vault for RowsVault {
    fn get<'a>(&'a self, name: &str) -> Later<'a, Result<Option<SecretString>, VaultError>> {
        let name = name.to_owned();
        self.asked(move |rows| Ok(rows.get(&name)?.map(|bytes| String::from_utf8(bytes).expect("a text").into())))
    }

    fn set<'a>(&'a self, name: &str, secret: SecretString) -> Later<'a, Result<(), VaultError>> {
        let name = name.to_owned();
        self.asked(move |rows| rows.put(&name, &as_it_is(&secret)).map(|kept| assert!(kept, "the key never changes")))
    }

    fn seal<'a>(&'a self, _: &'a str, secret: &'a SecretString) -> Later<'a, Result<Option<SealedValue>, VaultError>> {
        Box::pin(async { Ok(Some(as_it_is(secret))) })
    }

    fn delete<'a>(&'a self, name: &str) -> Later<'a, Result<(), VaultError>> {
        let name = name.to_owned();
        self.asked(move |rows| rows.delete(&name))
    }

    fn check_writable(&self) -> Later<'_, Result<(), VaultError>> {
        Box::pin(async { Ok(()) })
    }

    fn choose(&self, _: VaultKind) {}

    fn trouble(&self) -> Option<String> {
        None
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // The server may be what the test has stopped.
        if std::thread::panicking() {
            return;
        }
        let (server, name) = self.url.rsplit_once('/').expect("a name");
        databases::run(&format!("{server}/postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}
