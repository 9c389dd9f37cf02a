//! An encrypted file in place of a keychain, for servers that have none: chosen on purpose,
//! never silently. Weaker: whoever reads its passphrase reads every secret.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString as AgePassphrase;
use secrecy::{ExposeSecret, SecretString};

use atthene_core::vault::VaultError;

use crate::secret_store::SecretStore;

/// The file in the data folder.
const FILE: &str = "vault.age";
const LOCK: &str = "vault.lock";
/// Names the file that holds the passphrase.
pub const PASSPHRASE_VARIABLE: &str = "ATTHENE_VAULT_PASSPHRASE_FILE";
/// The passphrase among the credentials of a systemd service (systemd.exec, `LoadCredential=`).
const CREDENTIAL: &str = "atthene-vault";
/// scrypt's cost as a power of two: tens of milliseconds and 32 MiB for each opening.
const WORK_FACTOR: u8 = 15;
/// A passphrase shorter than this is a password that can be guessed.
const SHORTEST_PASSPHRASE: usize = 12;

type SecretsByName = BTreeMap<String, SecretString>;

/// Secrets in one file, encrypted with age under a passphrase.
pub struct FileVault {
    folder: PathBuf,
    /// What was read last, while the file is still the same.
    known: Option<(Stamp, SecretsByName)>,
}

/// Tells whether another process has written the file.
#[derive(PartialEq, Eq)]
struct Stamp(Option<std::time::SystemTime>, u64);

impl FileVault {
    /// The vault of this data folder. The file is made by the first secret.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), known: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn read(&mut self) -> Result<&mut SecretsByName, VaultError> {
        let stamp = self.stamp();
        if self.known.as_ref().is_none_or(|(known, _)| *known != stamp) {
            let secrets = if stamp.1 == 0 { SecretsByName::new() } else { decrypt(&self.path(), &passphrase()?)? };
            self.known = Some((stamp, secrets));
        }
        self.known.as_mut().map(|(_, secrets)| secrets).ok_or_else(|| refused("nothing was read"))
    }

    /// Changes the secrets; no other process comes between reading and writing.
    fn change(&mut self, work: impl FnOnce(&mut SecretsByName) -> bool) -> Result<(), VaultError> {
        let lock = private(&self.folder.join(LOCK)).map_err(refused)?;
        lock.lock().map_err(refused)?;
        let passphrase = passphrase()?;
        if !work(self.read()?) {
            return Ok(());
        }
        let sealed = encrypt(self.read()?, &passphrase)?;
        // Put in place whole: a crash leaves the old file or the new one.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(refused)?;
        file.write_all(&sealed).and_then(|()| file.as_file().sync_all()).map_err(refused)?;
        file.persist(self.path()).map_err(refused)?;
        let stamp = self.stamp();
        if let Some((known, _)) = &mut self.known {
            *known = stamp;
        }
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        let meta = fs::metadata(self.path()).ok();
        Stamp(meta.as_ref().and_then(|meta| meta.modified().ok()), meta.map_or(0, |meta| meta.len()))
    }
}

impl SecretStore for FileVault {
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        // A vault that can't be opened must not look empty.
        passphrase()?;
        Ok(self.read()?.get(name).cloned())
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        self.change(|secrets| {
            secrets.insert(name.to_owned(), secret.clone());
            true
        })
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        self.change(|secrets| secrets.remove(name).is_some())
    }
}

fn refused(reason: impl std::fmt::Display) -> VaultError {
    VaultError::Refused(reason.to_string())
}

/// The passphrase: from the file that the variable names, or from systemd. Never an argument.
fn passphrase() -> Result<AgePassphrase, VaultError> {
    let named = std::env::var_os(PASSPHRASE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let given = || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL));
    let path = named.or_else(|| given().filter(|path| path.exists()));
    let path = path.ok_or_else(|| VaultError::Passphrase("none is given".into()))?;
    let mut text = String::new();
    let read = File::open(&path).and_then(|mut file| {
        is_private(&file)?;
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

/// Whoever reads the passphrase reads every secret.
#[cfg(unix)]
fn is_private(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    if file.metadata()?.permissions().mode() & OTHERS == 0 {
        return Ok(());
    }
    Err(std::io::Error::other("other accounts may read it; run chmod 600 on it"))
}

/// Files of an account are private to it there, unless somebody opened them.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn is_private(_: &File) -> std::io::Result<()> {
    Ok(())
}

fn encrypt(secrets: &SecretsByName, passphrase: &AgePassphrase) -> Result<Vec<u8>, VaultError> {
    let plain: BTreeMap<&str, &str> =
        secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret())).collect();
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&plain).map_err(refused)?);
    let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
    recipient.set_work_factor(WORK_FACTOR);
    age::encrypt(&recipient, &plain).map_err(refused)
}

fn decrypt(path: &Path, passphrase: &AgePassphrase) -> Result<SecretsByName, VaultError> {
    let sealed = fs::read(path).map_err(refused)?;
    let identity = age::scrypt::Identity::new(passphrase.clone());
    let plain = age::decrypt(&identity, &sealed).map_err(|error| match error {
        age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
            VaultError::Passphrase("it does not open this vault".into())
        }
        error => refused(error),
    })?;
    let plain = zeroize::Zeroizing::new(plain);
    serde_json::from_slice(&plain).map_err(refused)
}

/// Opens a file that only its owner may read, making it where it is missing.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_secrets_open_with_their_passphrase_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(FILE);
        let right = AgePassphrase::from("correct horse battery".to_owned());
        let secrets =
            SecretsByName::from([("Sign-in of outlook-a".to_owned(), SecretString::from("not-a-real-token"))]);
        let sealed = encrypt(&secrets, &right).expect("seals");
        assert!(!sealed.windows(5).any(|part| part == b"token"), "it lies open");
        fs::write(&path, &sealed).expect("written");
        let opened = decrypt(&path, &right).expect("opens");
        assert_eq!(opened["Sign-in of outlook-a"].expose_secret(), "not-a-real-token");
        let wrong = AgePassphrase::from("correct horse bakery".to_owned());
        assert!(matches!(decrypt(&path, &wrong), Err(VaultError::Passphrase(_))));
        fs::write(&path, &sealed[..sealed.len() - 1]).expect("written");
        assert!(decrypt(&path, &right).is_err(), "a cut file is refused");
    }
}
