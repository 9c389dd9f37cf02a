//! Opens a profile: the rules of the core, with what they need of the outside.

use std::sync::Arc;

use atthene_core::identity::Profile;
use atthene_core::{Actor, Clock, Core, Environment, Error, Policy};
use atthene_identity::{Network, Platforms};
use atthene_store::Sqlite;
use atthene_vault::{FileVault, Keychain, VaultThread};

/// Opens the profile with the system's clock and keychain. Blocks on SQLite, not on the keychain.
pub fn open(profile: &Profile, actor: Actor) -> Result<Arc<Core>, Error> {
    let keychain = Keychain::new(profile.keychain_service());
    let vault = VaultThread::either(keychain, FileVault::new(profile.data_dir()))
        .map_err(|error| Error::Internal(format!("no thread for the keychain: {error}")))?;
    let http = Arc::new(Network::default());
    let environment = Environment {
        store: Arc::new(Sqlite::open(profile.data_dir())?),
        vault: Arc::new(vault),
        identity: Arc::new(Platforms::new(http.clone())),
        http,
        clock: Clock::system(),
        policy: Policy::read(),
        actor,
        // A hint in the record: whoever may write the profile may write any name.
        os_user: whoami::username().ok(),
        leases: None,
    };
    Core::open(profile, environment)
}
