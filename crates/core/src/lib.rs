//! The domain of ATTHENE Settings. Knows no window and no HTTP server: the window, the
//! gateway and the command line are faces of the use cases here.

pub mod activity;
mod change;
mod clock;
mod error;
pub mod identity;
pub mod keys;
mod runtime;
mod settings;
mod store;
pub mod vault;

use std::sync::Arc;

use secrecy::SecretString;

pub use change::{Change, Changes};
pub use clock::{Clock, UnixMs};
pub use error::{Code, Error, ErrorView, StoreError};
pub use runtime::CredentialChange;
pub use settings::{Settings, SettingsStore};
pub use store::DATABASE_FILE;

use activity::Usage;
use identity::Profile;
use keys::Keys;
use store::{Store, Watch};
use vault::{Keychain, Vault};

/// One open profile: the use cases on its keys, usage and settings.
pub struct Core {
    /// The one API key and those before it.
    pub keys: Keys,
    /// Who used it, and what came of it.
    pub usage: Usage,
    /// What an admin can set.
    pub settings: SettingsStore,
    vault: Vault,
    changes: Changes,
}

impl Core {
    /// Opens the profile with the system's clock and keychain. Blocks on SQLite, not on
    /// the keychain.
    pub fn open(profile: &Profile) -> Result<Arc<Self>, Error> {
        let vault = Vault::new(Keychain::new(profile.keychain_service()))
            .map_err(|error| Error::Internal(format!("no thread for the keychain: {error}")))?;
        Self::open_with(profile, Clock::system(), vault)
    }

    /// Opens the profile with the given clock and vault.
    pub fn open_with(profile: &Profile, clock: Clock, vault: Vault) -> Result<Arc<Self>, Error> {
        let changes = Changes::default();
        let store = Arc::new(Store::open(profile.data_dir())?);
        let watch = Watch::new(&store)?;
        let core = Arc::new(Self {
            keys: Keys::load(store.clone(), clock.clone(), changes.clone())?,
            usage: Usage::new(store.clone(), clock, changes.clone()),
            settings: SettingsStore::load(store, changes.clone())?,
            vault,
            changes,
        });
        watch
            .run(Arc::downgrade(&core), Self::hear)
            .map_err(|error| Error::Internal(format!("no thread to watch the database: {error}")))?;
        Ok(core)
    }

    /// The broadcast that tells what changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Saves settings and, with them, what is to become of the agent runtime's credential.
    pub async fn save_settings(&self, new: Settings, credential: CredentialChange) -> Result<Arc<Settings>, Error> {
        runtime::save(&self.settings, &self.vault, new, credential).await?;
        Ok(self.settings.current())
    }

    /// The agent runtime's credential, where one is set.
    pub async fn runtime_credential(&self) -> Result<Option<SecretString>, Error> {
        runtime::credential(&self.settings, &self.vault).await
    }

    fn hear(core: &Arc<Self>, change: Change) {
        let reloaded = match change {
            Change::Keys => core.keys.reload(),
            Change::Settings => core.settings.reload(),
            Change::Usage | Change::Gateway => Ok(()),
        };
        match reloaded {
            Ok(()) => core.changes.tell(change),
            Err(error) => tracing::warn!(%error, ?change, "a change by another process could not be read"),
        }
    }
}
