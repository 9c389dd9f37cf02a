//! The agent runtime's credential: in the keychain, its existence in the settings.

use secrecy::{ExposeSecret, SecretString};

use crate::bound::{Bound, Recipient};
use crate::error::Error;
use crate::port::Vault;
use crate::settings::{Settings, SettingsStore};
use crate::vault::SecretChange;

const ENTRY: &str = "Agent runtime credential";
const LONGEST: usize = 2048;

/// Saves settings together with the credential: secret first, then row; on removal row
/// first, then secret. So a row never promises a secret that is not there.
pub(crate) async fn save(
    settings: &SettingsStore,
    vault: &dyn Vault,
    mut new: Settings,
    credential: SecretChange,
) -> Result<(), Error> {
    new.check()?;
    let keep = settings.current().runtime_has_credential;
    // One that was sent to another runtime would be a leak.
    let moved = new.runtime_url != settings.current().runtime_url;
    match credential {
        SecretChange::Keep if !keep || !moved => {
            new.runtime_has_credential = keep;
            settings.save(new)?;
        }
        SecretChange::Replace(secret) => {
            check(&secret)?;
            new.runtime_has_credential = true;
            new.check()?;
            let bound = Bound::new(recipient(&new), secret);
            vault.set(ENTRY, bound.seal().map_err(|error| Error::Internal(error.to_string()))?).await?;
            settings.save(new)?;
            if keep {
                settings.credential_replaced()?;
            }
        }
        SecretChange::Keep | SecretChange::Remove => {
            new.runtime_has_credential = false;
            settings.save(new)?;
            if keep {
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
    if !current.runtime_has_credential {
        return Ok(None);
    }
    let bound = vault.get(ENTRY).await?.as_ref().and_then(Bound::open).ok_or(Error::CredentialGone)?;
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
