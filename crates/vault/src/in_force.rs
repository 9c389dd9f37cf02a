//! Which fleet key is in force: an entry beside the secrets that only this key opens. It is replaced together with all
//! of them, and whoever writes a secret checks it in the same step, so that nothing is written under a key that is over.

use atthene_core::StoreError;
use atthene_core::port::SealedRows;
use atthene_core::vault::VaultError;

use crate::fleet_key::FleetKey;
use crate::seal::{open_sealed, seal};

/// No secret has this name.
pub(crate) const IN_FORCE: &str = "Fleet key in force";
/// Nothing is secret about it; that it opens is what counts.
const TEXT: &str = "in force";

/// Puts the first key of a fleet in force, before any secret. Done twice it is no error. Blocks.
///
/// # Errors
/// [`VaultError::OtherFleetKey`]: this database has a key already.
pub fn put_in_force(rows: &dyn SealedRows, key: &FleetKey, profile: &str) -> Result<(), VaultError> {
    if rows.get(IN_FORCE).map_err(away)?.is_none() {
        rows.put(IN_FORCE, &seal(key, profile, IN_FORCE, TEXT)?).map_err(away)?;
    }
    // Read back: somebody else may have begun this fleet at the same moment.
    in_force(rows, key, profile).map(drop)
}

/// What lies there, where this is the key in force.
pub(crate) fn in_force(rows: &dyn SealedRows, key: &FleetKey, profile: &str) -> Result<Vec<u8>, VaultError> {
    let sealed = rows.get(IN_FORCE).map_err(away)?;
    let sealed = sealed.ok_or_else(|| VaultError::Damaged(IN_FORCE.to_owned()))?;
    open_sealed(key, profile, IN_FORCE, &sealed)?;
    Ok(sealed)
}

/// The same under another key.
pub(crate) fn sealed_anew(key: &FleetKey, profile: &str) -> Result<Vec<u8>, VaultError> {
    seal(key, profile, IN_FORCE, TEXT)
}

pub(crate) fn away(error: StoreError) -> VaultError {
    VaultError::Rows(error.to_string())
}
