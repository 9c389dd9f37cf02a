//! The agent runtime's credential: in the keychain, its existence in the settings.

use secrecy::{ExposeSecret, SecretString};

use crate::bound::{Bound, Recipient};
use crate::error::Error;
use crate::port::Vault;
use crate::secrets::read;
use crate::settings::{Settings, SettingsStore};
use crate::vault::SecretChange;

/// Of the vault.
pub(crate) const ENTRY: &str = "Agent runtime credential";
const LONGEST: usize = 2048;

/// Saves settings together with the credential: secret first, then row; on removal row
/// first, then secret. So a row never promises a secret that is not there.
pub(crate) async fn save(
    settings: &SettingsStore,
    vault: &dyn Vault,
    mut new: Settings,
    credential: SecretChange,
) -> Result<(), Error> {
    let has_one = settings.has_runtime_credential();
    // Cleaned as it will be kept: what it is compared and bound by.
    new.check(has_one && matches!(credential, SecretChange::Keep))?;
    // One that was sent to another runtime would be a leak.
    let moved = new.runtime_url != settings.current().runtime_url;
    match credential {
        SecretChange::Keep if !has_one || !moved => drop(settings.save_with(new, has_one)?),
        SecretChange::Replace(secret) => {
            check(&secret)?;
            new.check(true)?;
            let bound = Bound::new(recipient(&new), secret);
            vault.set(ENTRY, bound.seal().map_err(|error| Error::Internal(error.to_string()))?).await?;
            settings.save_with(new, true)?;
            if has_one {
                settings.credential_replaced()?;
            }
        }
        SecretChange::Keep | SecretChange::Remove => {
            settings.save_with(new, false)?;
            if has_one {
                vault.delete(ENTRY).await?;
            }
        }
    }
    Ok(())
}

/// The credential, where one is set. One that was entered for another runtime is none, whatever led the
/// calls to this one.
pub(crate) async fn credential(settings: &SettingsStore, vault: &dyn Vault) -> Result<Option<SecretString>, Error> {
    let current = settings.current();
    if !settings.has_runtime_credential() {
        return Ok(None);
    }
    let bound = read(vault, ENTRY).await?.ok_or(Error::CredentialGone)?;
    let secret = bound.reveal_to(&recipient(&current)).map_err(|_| Error::CredentialGone)?;
    Ok(Some(secret.clone()))
}

/// Whom the credential is for. Without a URL it is for none that will be set later.
fn recipient(settings: &Settings) -> Recipient {
    Recipient::Runtime { url: settings.runtime_url.clone().unwrap_or_default() }
}

fn check(secret: &SecretString) -> Result<(), Error> {
    let text = secret.expose_secret();
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Setting {
            field: "agent runtime credential",
            problem: format!("must be 1 to {LONGEST} visible ASCII characters without spaces"),
        });
    }
    Ok(())
}
