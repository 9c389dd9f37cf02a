//! Where a data folder keeps its secrets.

use atthene_core::Error;
use atthene_core::identity::Profile;
use atthene_vault::{FileVault, Keychain, VaultThread};

/// The vault of this data folder: of its own profile, or of what a host keeps for itself where it shares one.
pub(crate) fn local_vault(profile: &Profile) -> Result<VaultThread, Error> {
    let keychain = Keychain::new(profile.keychain_service());
    VaultThread::either(keychain, FileVault::new(profile.data_dir()))
        .map_err(|error| Error::Internal(format!("no thread for the keychain: {error}")))
}
