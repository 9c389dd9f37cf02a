//! The agent runtime's credential: in the keychain, its existence in the settings.

use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;
use crate::settings::{Settings, SettingsStore};
use crate::vault::{SecretChange, Vault};

const ENTRY: &str = "Agent runtime credential";
const LONGEST: usize = 2048;

/// Saves settings together with the credential: secret first, then row; on removal row
/// first, then secret. So a row never promises a secret that is not there.
pub(crate) async fn save(
    settings: &SettingsStore,
    vault: &Vault,
    mut new: Settings,
    credential: SecretChange,
) -> Result<(), Error> {
    let keep = settings.current().runtime_has_credential;
    // One that was sent to another runtime would be a leak.
    let moved = new.runtime_url.as_deref().map(|url| url.trim().trim_end_matches('/'))
        != settings.current().runtime_url.as_deref();
    match credential {
        SecretChange::Keep if !keep || !moved => {
            new.runtime_has_credential = keep;
            settings.save(new)?;
        }
        SecretChange::Replace(secret) => {
            check(&secret)?;
            vault.set(ENTRY, secret).await?;
            new.runtime_has_credential = true;
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

/// The credential, where one is set.
pub(crate) async fn credential(settings: &SettingsStore, vault: &Vault) -> Result<Option<SecretString>, Error> {
    if !settings.current().runtime_has_credential {
        return Ok(None);
    }
    Ok(vault.get(ENTRY).await?)
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
