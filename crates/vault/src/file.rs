//! An encrypted file in place of a keychain, for servers that have none: chosen on purpose,
//! never silently. Weaker: whoever reads its passphrase reads every secret.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString as AgePassphrase;
use secrecy::{ExposeSecret, SecretString};

use atthene_core::files;
use atthene_core::vault::VaultError;

use crate::age_file::{self, NotOpened};
use crate::envelopes::Envelopes;
use crate::passphrase::passphrase;
use crate::secret_store::SecretStore;

/// The file in the data folder.
const FILE: &str = "vault.age";
const LOCK: &str = "vault.lock";

/// What one more secret takes in the file, in bytes, and some.
const ROOM: usize = 16 * 1024;

/// scrypt's cost as a power of two that is accepted: 1 GiB and some seconds. Files of this app ask for 15, those of `age` for
/// what takes it a second, which is 18 to 20.
const MOST_WORK: u8 = 20;

type SecretsByName = BTreeMap<String, SecretString>;

/// Secrets in one file, encrypted with age under a passphrase.
pub struct FileVault {
    folder: PathBuf,
    /// What was read last, and the file as it was then: two writings may have the same size and time, and never the
    /// same bytes.
    known: Option<(Vec<u8>, SecretsByName)>,
    envelopes: Arc<Envelopes>,
}

impl FileVault {
    /// The vault of this data folder. The file is made by the first secret.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), known: None, envelopes: Arc::default() }
    }

    /// What a writing takes its envelope from.
    pub(crate) fn envelopes(&self) -> Arc<Envelopes> {
        self.envelopes.clone()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn read(&mut self) -> Result<&mut SecretsByName, VaultError> {
        let sealed = match fs::read(self.path()) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(self.refused_by_name(&error)),
        };
        if self.known.as_ref().is_none_or(|(known, _)| *known != sealed) {
            let secrets = if sealed.is_empty() { SecretsByName::new() } else { decrypt(&sealed, &passphrase()?)? };
            self.known = Some((sealed, secrets));
        }
        self.known.as_mut().map(|(_, secrets)| secrets).ok_or_else(|| refused("nothing was read"))
    }

    /// Changes the secrets; no other process comes between reading and writing.
    fn change(&mut self, work: impl FnOnce(&mut SecretsByName) -> bool) -> Result<(), VaultError> {
        let lock = files::open_private(&self.folder.join(LOCK)).map_err(|error| refused(format!("{LOCK}: {error}")))?;
        lock.lock().map_err(refused)?;
        let passphrase = passphrase()?;
        if !work(self.read()?) {
            return Ok(());
        }
        let envelopes = self.envelopes.clone();
        let sealed = encrypt(self.read()?, &envelopes, &passphrase);
        // Put in place whole: a crash leaves the old file or the new one.
        let written = sealed.and_then(|sealed| {
            files::replace(&self.path(), &sealed).map_err(|error| VaultError::File(error.to_string()))?;
            Ok(sealed)
        });
        match (written, &mut self.known) {
            (Ok(sealed), Some((known, _))) => *known = sealed,
            (Ok(_), None) => {}
            // What is in memory is not what lies in the file.
            (Err(error), _) => {
                self.known = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn refused_by_name(&self, error: &std::io::Error) -> VaultError {
        VaultError::File(format!("{}: {error}", self.path().display()))
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

    /// With a file of the same size beside it; the envelope of the next writing is made by whoever asks.
    fn check_writable(&mut self) -> Result<(), VaultError> {
        passphrase()?;
        self.read()?;
        let length = self.known.as_ref().map_or(0, |(sealed, _)| sealed.len());
        let path = self.path();
        let target = fs::canonicalize(&path).unwrap_or(path);
        let folder = target.parent().unwrap_or(&self.folder);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&vec![0; length + ROOM])?;
            file.as_file().sync_all()
        };
        write().map_err(|error| self.refused_by_name(&error))
    }
}

fn refused(reason: impl std::fmt::Display) -> VaultError {
    VaultError::Refused(reason.to_string())
}

fn encrypt(secrets: &SecretsByName, envelopes: &Envelopes, passphrase: &AgePassphrase) -> Result<Vec<u8>, VaultError> {
    let plain: BTreeMap<&str, &str> =
        secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret())).collect();
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&plain).map_err(refused)?);
    let mut sealed = Vec::new();
    let mut writer = envelopes.take(passphrase)?.wrap_output(&mut sealed).map_err(refused)?;
    writer.write_all(&plain).and_then(|()| writer.finish().map(drop)).map_err(refused)?;
    Ok(sealed)
}

fn decrypt(sealed: &[u8], passphrase: &AgePassphrase) -> Result<SecretsByName, VaultError> {
    let plain = age_file::open(sealed, passphrase.clone(), MOST_WORK).map_err(|error| match error {
        NotOpened::Passphrase => VaultError::Passphrase("it does not open this vault".into()),
        NotOpened::Work(work) => VaultError::File(format!(
            "{FILE}: opening it takes more work (2^{work}) than this app does for it (2^{MOST_WORK}), and it writes none of \
             that kind"
        )),
        NotOpened::Other(error) => refused(error),
    })?;
    serde_json::from_slice(&plain).map_err(refused)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn k7_two_writings_of_one_time_and_size_are_told_apart() {
        let dir = tempfile::tempdir().expect("a folder");
        let (one, two) = (FileVault::new(dir.path()), FileVault::new(dir.path()));
        let path = one.path();
        let passphrase = AgePassphrase::from("correct horse battery".to_owned());
        let secrets = |text: &str| SecretsByName::from([("a".to_owned(), SecretString::from(text.to_owned()))]);
        let [first, second] = ["secret-one", "secret-two"]
            .map(|text| encrypt(&secrets(text), &Envelopes::default(), &passphrase).expect("seals"));
        assert_eq!(first.len(), second.len());
        let (mut one, _) = (one, two);
        one.known = Some((first.clone(), secrets("secret-one")));
        fs::write(&path, &first).expect("written");
        let time = fs::metadata(&path).and_then(|meta| meta.modified()).expect("a time");
        assert_eq!(one.read().expect("known")["a"].expose_secret(), "secret-one");
        fs::write(&path, &second).expect("written");
        File::options().write(true).open(&path).and_then(|file| file.set_modified(time)).expect("set");
        // Known no more: it would have to be opened, and nobody gives the passphrase here.
        assert!(matches!(one.read(), Err(VaultError::Passphrase(_))));
    }

    #[test]
    fn a_file_that_would_cost_hours_is_refused_with_the_reason() {
        let passphrase = AgePassphrase::from("correct horse battery".to_owned());
        let sealed = encrypt(&SecretsByName::new(), &Envelopes::default(), &passphrase).expect("seals");
        let at = sealed.windows(4).position(|part| part == b" 15\n").expect("the work factor");
        for work in ["21", "30", "47", "63", "64", "255"] {
            let bomb = [&sealed[..=at], work.as_bytes(), &sealed[at + 3..]].concat();
            let begun = std::time::Instant::now();
            let refused = decrypt(&bomb, &passphrase).expect_err("refused");
            assert!(matches!(refused, VaultError::File(_)), "{refused:?}");
            assert!(refused.to_string().contains(&format!("2^{work}")), "{refused}");
            assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{work}: {:?}", begun.elapsed());
        }
    }

    #[test]
    fn sealed_secrets_open_with_their_passphrase_and_no_other() {
        let right = AgePassphrase::from("correct horse battery".to_owned());
        let secrets =
            SecretsByName::from([("Sign-in of outlook-a".to_owned(), SecretString::from("not-a-real-token"))]);
        let sealed = encrypt(&secrets, &Envelopes::default(), &right).expect("seals");
        assert!(!sealed.windows(5).any(|part| part == b"token"), "it lies open");
        let opened = decrypt(&sealed, &right).expect("opens");
        assert_eq!(opened["Sign-in of outlook-a"].expose_secret(), "not-a-real-token");
        let wrong = AgePassphrase::from("correct horse bakery".to_owned());
        assert!(matches!(decrypt(&sealed, &wrong), Err(VaultError::Passphrase(_))));
        assert!(decrypt(&sealed[..sealed.len() - 1], &right).is_err(), "a cut file is refused");
    }
}
