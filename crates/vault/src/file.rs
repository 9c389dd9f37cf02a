//! An encrypted file in place of a keychain, for servers that have none: chosen on purpose,
//! never silently. Weaker: whoever reads its passphrase reads every secret.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString as AgePassphrase;
use secrecy::{ExposeSecret, SecretString};

use atthene_core::files;
use atthene_core::vault::VaultError;

use crate::envelopes::Envelopes;
use crate::secret_store::SecretStore;

/// The file in the data folder.
const FILE: &str = "vault.age";
const LOCK: &str = "vault.lock";
/// Names the file that holds the passphrase.
pub const PASSPHRASE_VARIABLE: &str = "ATTHENE_VAULT_PASSPHRASE_FILE";
/// The passphrase among the credentials of a systemd service (systemd.exec, `LoadCredential=`).
const CREDENTIAL: &str = "atthene-vault";
/// A passphrase shorter than this is a password that can be guessed.
const SHORTEST_PASSPHRASE: usize = 12;

/// What one more secret takes in the file, in bytes, and some.
const ROOM: usize = 16 * 1024;

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

pub(crate) fn refused(reason: impl std::fmt::Display) -> VaultError {
    VaultError::Refused(reason.to_string())
}

/// The passphrase: from the file that the variable names, or from systemd. Never an argument.
pub(crate) fn passphrase() -> Result<AgePassphrase, VaultError> {
    let named = std::env::var_os(PASSPHRASE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let given = || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL));
    let path = named.or_else(|| given().filter(|path| path.exists()));
    let path = path.ok_or_else(|| VaultError::Passphrase("none is given".into()))?;
    let mut text = String::new();
    let read = File::open(&path).and_then(|mut file| {
        is_private(&file, &path)?;
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

/// Whoever reads the passphrase reads every secret. One that lies in the folder of systemd's credentials, or that root
/// has placed, may be read by a group: an access list for the service's account shows like that (systemd since 254),
/// and so does a secret that is mounted into a container for its group.
#[cfg(unix)]
fn is_private(file: &File, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS: u32 = 0o037;
    const GROUP_READS: u32 = 0o040;
    let meta = file.metadata()?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let was_given = meta.uid() == 0 || credentials.is_some_and(|folder| path.starts_with(folder));
    let may_be_read_by_group = was_given && meta.mode() & 0o222 & !0o200 == 0;
    if meta.mode() & OTHERS == 0 && (meta.mode() & GROUP_READS == 0 || may_be_read_by_group) && !names_another(file) {
        return Ok(());
    }
    Err(std::io::Error::other("other accounts may read it; run chmod 600 on it"))
}

/// Whether an access list lets another account than this one and root read the file (acl(5), as Linux stores it).
#[cfg(target_os = "linux")]
fn names_another(file: &File) -> bool {
    const HEAD: usize = 4;
    const USER: u16 = 2;
    const READ: u16 = 4;
    let mut list = [0; 4096];
    let Ok(length) = rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut list) else { return false };
    let own = rustix::process::geteuid().as_raw();
    let (entries, _) = list.get(HEAD..length).unwrap_or_default().as_chunks::<8>();
    entries.iter().any(|[t0, t1, p0, p1, id @ ..]| {
        let (tag, permissions) = (u16::from_le_bytes([*t0, *t1]), u16::from_le_bytes([*p0, *p1]));
        let account = u32::from_le_bytes(*id);
        tag == USER && permissions & READ != 0 && account != own && account != 0
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
fn names_another(_: &File) -> bool {
    false
}

/// Files of an account are private to it there, unless somebody opened them.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn is_private(_: &File, _: &Path) -> std::io::Result<()> {
    Ok(())
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
    let identity = age::scrypt::Identity::new(passphrase.clone());
    let plain = age::decrypt(&identity, sealed).map_err(|error| match error {
        age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
            VaultError::Passphrase("it does not open this vault".into())
        }
        error => refused(error),
    })?;
    let plain = zeroize::Zeroizing::new(plain);
    serde_json::from_slice(&plain).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn k7_a_passphrase_that_root_gives_may_be_read_by_a_group_and_no_other_may() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("passphrase");
        fs::write(&path, "x").expect("written");
        let is_root = fs::metadata(&path).expect("there").uid() == 0;
        let passes = |mode: u32| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            is_private(&File::open(&path).expect("opens"), &path).is_ok()
        };
        assert!(passes(0o600) && passes(0o400));
        for open in [0o644, 0o444, 0o660, 0o640 | 0o020, 0o604, 0o601] {
            assert!(!passes(open), "{open:o}");
        }
        assert_eq!(passes(0o440), is_root, "as systemd and Kubernetes give it");
        if is_root {
            // One's own file is one's own to close.
            chown(&path, Some(1234), None).expect("given");
            assert!(!passes(0o440));
        }
    }

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
