//! The passphrase of the encrypted file, and who else may read it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use age::secrecy::SecretString as AgePassphrase;
use secrecy::ExposeSecret;

use atthene_core::private_file::refuse_readable_by_others;
use atthene_core::vault::VaultError;

/// Names the file that holds the passphrase.
pub const PASSPHRASE_VARIABLE: &str = "ATTHENE_VAULT_PASSPHRASE_FILE";
/// The passphrase among the credentials of a systemd service (systemd.exec, `LoadCredential=`).
const CREDENTIAL: &str = "atthene-vault";
/// A passphrase shorter than this is a password that can be guessed.
const SHORTEST_PASSPHRASE: usize = 12;

/// The passphrase: from the file that the variable names, or from systemd. Never an argument.
pub(crate) fn passphrase() -> Result<AgePassphrase, VaultError> {
    let named = std::env::var_os(PASSPHRASE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let given = || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL));
    let path = named.or_else(|| given().filter(|path| path.exists()));
    let path = path.ok_or_else(|| VaultError::Passphrase("none is given".into()))?;
    let mut text = String::new();
    let read = File::open(&path).and_then(|mut file| {
        refuse_readable_by_others(&file, &path)?;
        file.read_to_string(&mut text)
    });
    read.map_err(|error| VaultError::Passphrase(format!("{}: {error}", path.display())))?;
    let passphrase = AgePassphrase::from(text.trim_end_matches(['\r', '\n']).to_owned());
    zeroize::Zeroize::zeroize(&mut text);
    if passphrase.expose_secret().chars().count() < SHORTEST_PASSPHRASE {
        return Err(VaultError::Passphrase(format!("it is shorter than {SHORTEST_PASSPHRASE} characters")));
    }
    Ok(passphrase)
}
