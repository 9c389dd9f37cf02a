//! Opens a profile that this data folder shares with others.

use std::sync::Arc;

use atthene_core::identity::Profile;
use atthene_core::port::{SealedRows, Vault};
use atthene_core::vault::VaultError;
use atthene_core::{Error, Host, blocking};
use atthene_store::Postgres;
use atthene_vault::{FleetKey, Sealed};

use super::host_secrets::HostSecrets;
use super::membership::Membership;
use super::place::DatabasePlace;
use crate::vault::local_vault;

/// What an open profile is made of, where it is shared.
pub(crate) struct SharedParts {
    pub(crate) store: Arc<Postgres>,
    pub(crate) vault: Arc<Sealed>,
}

/// Opens the shared profile. Waits for this host's vault, and for the database.
pub(crate) async fn take_part(profile: &Profile, membership: &Membership) -> Result<SharedParts, Error> {
    let HostParts { own, secrets, rows, .. } = host_parts(profile, membership).await?;
    let key = key_in_force(&rows, secrets, &membership.profile).await?;
    let vault = Sealed::new(rows.clone(), key, &membership.profile).among_rows();
    let (asked, name) = (rows.clone(), membership.profile.clone());
    let vault = vault.asking(move || Box::pin(key_by_now(own.clone(), asked.clone(), name.clone())));
    Ok(SharedParts { store: rows, vault: Arc::new(vault) })
}

/// The key that another process of this host has put into the host's vault: it changed the fleet's, or was given an
/// invite. None of a host that has left: that entry is gone.
async fn key_by_now(own: Arc<dyn Vault>, rows: Arc<Postgres>, profile: String) -> Option<FleetKey> {
    let found = async { key_in_force(&rows, HostSecrets::read(own.as_ref()).await?, &profile).await };
    found.await.inspect_err(|error| tracing::warn!(%error, "this host's vault has no fleet key to go on with")).ok()
}

/// What a host that takes part has, before any secret is opened.
pub(super) struct HostParts {
    pub(super) own: Arc<dyn Vault>,
    pub(super) secrets: HostSecrets,
    pub(super) place: DatabasePlace,
    pub(super) rows: Arc<Postgres>,
}

/// Reads what this host keeps for itself, and opens the database with it.
pub(super) async fn host_parts(profile: &Profile, membership: &Membership) -> Result<HostParts, Error> {
    let own = own_vault(profile, membership)?;
    let secrets = HostSecrets::read(own.as_ref()).await?;
    let (place, _) = DatabasePlace::of(&membership.url).ok_or(Error::FleetSecretsGone)?;
    let rows = open_rows(profile, &place, secrets.password.as_ref()).await?;
    // Where this host began it and ended before it could say that it takes part.
    let begun = rows.clone();
    blocking(move || Ok(begun.finish_import()?)).await?;
    Ok(HostParts { own, secrets, place, rows })
}

/// Where this host keeps what is its own.
pub(super) fn own_vault(profile: &Profile, membership: &Membership) -> Result<Arc<dyn Vault>, Error> {
    let vault = local_vault(profile)?;
    vault.choose(membership.vault);
    Ok(Arc::new(vault))
}

/// Opens the database for this host.
pub(super) async fn open_rows(
    profile: &Profile,
    place: &DatabasePlace,
    password: Option<&secrecy::SecretString>,
) -> Result<Arc<Postgres>, Error> {
    let (url, folder) = (place.with(password), profile.data_dir().to_owned());
    blocking(move || {
        let name = whoami::hostname().unwrap_or_else(|_| "unknown".into());
        let host = Host::of(&folder, name).map_err(|error| Error::Internal(error.to_string()))?;
        Postgres::open(&url, &folder, &host).map(Arc::new)
    })
    .await
}

/// The key that opens the secrets now: a change of keys may have been broken off between the two.
pub(super) async fn key_in_force(
    store: &Arc<Postgres>,
    secrets: HostSecrets,
    profile: &str,
) -> Result<FleetKey, Error> {
    let HostSecrets { key, next: Some(next), .. } = secrets else { return Ok(secrets.key) };
    let next = is_in_force(store, next, profile).await?;
    Ok(next.unwrap_or(key))
}

/// This key, where it is in force.
pub(super) async fn is_in_force(
    store: &Arc<Postgres>,
    key: FleetKey,
    profile: &str,
) -> Result<Option<FleetKey>, Error> {
    match checked(store, key, profile).await {
        Ok(key) => Ok(Some(key)),
        Err(VaultError::OtherFleetKey { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// This key, which has to be in force.
pub(super) async fn checked(store: &Arc<Postgres>, key: FleetKey, profile: &str) -> Result<FleetKey, VaultError> {
    let text = key.text();
    Sealed::new(store.clone() as Arc<dyn SealedRows>, key, profile).check_writable().await?;
    FleetKey::from_text(&text).map_err(|error| VaultError::Refused(error.to_string()))
}
