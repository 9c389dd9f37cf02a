//! What a host keeps in its own vault: the database's password and the fleet key.

use atthene_core::Error;
use atthene_core::port::Vault;
use atthene_vault::FleetKey;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Its entry.
const ENTRY: &str = "Shared profile";

pub(super) struct HostSecrets {
    /// As it stands in a URL.
    pub(super) password: Option<SecretString>,
    pub(super) key: FleetKey,
    /// A key that is to come into force: written down before it does, so that a crash between the two loses nothing.
    pub(super) next: Option<FleetKey>,
}

/// As it lies in the vault.
#[derive(Serialize, Deserialize)]
struct KeptText<'a> {
    password: Option<std::borrow::Cow<'a, str>>,
    key: std::borrow::Cow<'a, str>,
    next: Option<std::borrow::Cow<'a, str>>,
}

impl HostSecrets {
    pub(super) async fn read(vault: &dyn Vault) -> Result<Self, Error> {
        let text = vault.get(ENTRY).await?.ok_or(Error::FleetSecretsGone)?;
        let kept: KeptText<'_> = serde_json::from_str(text.expose_secret()).map_err(|_| Error::FleetSecretsGone)?;
        let key = |text: std::borrow::Cow<'_, str>| {
            let text = Zeroizing::new(text.into_owned());
            FleetKey::from_text(&text.as_str().into()).map_err(|_| Error::FleetSecretsGone)
        };
        Ok(Self {
            password: kept.password.map(|text| Zeroizing::new(text.into_owned()).as_str().into()),
            key: key(kept.key)?,
            next: kept.next.map(key).transpose()?,
        })
    }

    pub(super) async fn write(&self, vault: &dyn Vault) -> Result<(), Error> {
        let (key, next) = (self.key.text(), self.next.as_ref().map(FleetKey::text));
        let kept = KeptText {
            password: self.password.as_ref().map(|text| text.expose_secret().into()),
            key: key.expose_secret().into(),
            next: next.as_ref().map(|text| text.expose_secret().into()),
        };
        let text = serde_json::to_string(&kept).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(vault.set(ENTRY, text.into()).await?)
    }

    pub(super) async fn forget(vault: &dyn Vault) -> Result<(), Error> {
        Ok(vault.delete(ENTRY).await?)
    }
}
