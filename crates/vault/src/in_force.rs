//! Which fleet key is in force: an entry beside the secrets that only this key opens. It is replaced together with all
//! of them, and held by whoever writes a secret, so that nothing is written under a key that is over.

use atthene_core::StoreError;
use atthene_core::port::{KEY_IN_FORCE, SealedRows};
use atthene_core::vault::VaultError;

use crate::fleet_key::FleetKey;
use crate::seal::{open_sealed, seal};

/// Nothing is secret about it; that it opens is what counts.
const TEXT: &str = "in force";

/// Puts the first key of a fleet in force, before any secret. Done twice it is no error. Blocks.
///
/// # Errors
/// [`VaultError::OtherFleetKey`]: this database has a key already.
pub fn put_in_force(rows: &dyn SealedRows, key: &FleetKey, profile: &str) -> Result<(), VaultError> {
    rows.put_first(&sealed_proof(key, profile)?).map_err(away)?;
    // Read back: there may have been one, or somebody else began this fleet at the same moment.
    in_force(rows, key, profile).map(drop)
}

/// What lies there, where this is the key in force.
pub(crate) fn in_force(rows: &dyn SealedRows, key: &FleetKey, profile: &str) -> Result<Vec<u8>, VaultError> {
    let proof = rows.get(KEY_IN_FORCE).map_err(away)?;
    let proof = proof.ok_or_else(|| VaultError::Damaged(KEY_IN_FORCE.to_owned()))?;
    check_proof(key, profile, &proof)?;
    Ok(proof)
}

/// Whether this proof is of this key.
pub(crate) fn check_proof(key: &FleetKey, profile: &str, proof: &[u8]) -> Result<(), VaultError> {
    open_sealed(key, profile, KEY_IN_FORCE, proof).map(drop)
}

/// A proof of this key.
pub(crate) fn sealed_proof(key: &FleetKey, profile: &str) -> Result<Vec<u8>, VaultError> {
    seal(key, profile, KEY_IN_FORCE, TEXT)
}

pub(crate) fn away(error: StoreError) -> VaultError {
    VaultError::Rows(error.to_string())
}
