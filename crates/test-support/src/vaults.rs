//! Keychains that tests can look into, lock and stop, and one that outlives a killed process.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use atthene_core::vault::VaultError;
use atthene_vault::SecretStore;
use secrecy::{ExposeSecret, SecretString};

/// A keychain that outlives the process, and can be made to stop in the middle.
#[derive(Clone, Default)]
pub struct SharedVault {
    pub entries: Arc<Mutex<HashMap<String, SecretString>>>,
    pub refuses: Arc<Mutex<bool>>,
    /// Can be read, and not be written: a disk is full, or a person has not unlocked it for that.
    pub is_read_only: Arc<Mutex<bool>>,
    /// The same from the next change on, which a look before does not show.
    pub breaks_at_write: Arc<Mutex<bool>>,
    pub halt: Arc<Mutex<Option<Halt>>>,
}

/// The next change is told before it is answered, and then waits.
pub struct Halt {
    told: Sender<()>,
    go_on: Receiver<()>,
}

impl SharedVault {
    pub fn names(&self) -> Vec<String> {
        self.entries.lock().expect("not poisoned").keys().cloned().collect()
    }

    /// The secrets themselves, without what they are for.
    pub fn values(&self) -> Vec<String> {
        let entries = self.entries.lock().expect("not poisoned");
        entries.values().map(|text| secret_in(text.expose_secret())).collect()
    }

    pub fn clear(&self) {
        self.entries.lock().expect("not poisoned").clear();
    }

    pub fn halt_at_next_change(&self) -> (Receiver<()>, Sender<()>) {
        let ((told, halted), (go, go_on)) = (channel(), channel());
        *self.halt.lock().expect("not poisoned") = Some(Halt { told, go_on });
        (halted, go)
    }

    fn halt(&self) {
        // Taken out first: nobody waits for this lock while the change waits.
        let halt = self.halt.lock().expect("not poisoned").take();
        if let Some(halt) = halt {
            let _ = halt.told.send(());
            let _ = halt.go_on.recv();
        }
    }

    fn check(&self) -> Result<(), VaultError> {
        if *self.refuses.lock().expect("not poisoned") { Err(VaultError::Locked("test".into())) } else { Ok(()) }
    }
}

impl SecretStore for SharedVault {
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        self.check()?;
        Ok(self.entries.lock().expect("not poisoned").get(name).cloned())
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        self.check()?;
        self.check_writable()?;
        if *self.breaks_at_write.lock().expect("not poisoned") {
            return Err(VaultError::Refused("full".into()));
        }
        self.entries.lock().expect("not poisoned").insert(name.to_owned(), secret.clone());
        self.halt();
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        self.check()?;
        self.halt();
        self.entries.lock().expect("not poisoned").remove(name);
        Ok(())
    }

    fn check_writable(&mut self) -> Result<(), VaultError> {
        self.check()?;
        if *self.is_read_only.lock().expect("not poisoned") {
            Err(VaultError::Refused("read only".into()))
        } else {
            Ok(())
        }
    }
}

/// The secret in an entry, which says what it is for, too.
pub fn secret_in(entry: &str) -> String {
    let kept: serde_json::Value = serde_json::from_str(entry).expect("an entry that says what it is for");
    assert!(kept["for"].is_object(), "an entry that says what it is for");
    kept["secret"].as_str().expect("a secret").to_owned()
}

/// A keychain in a folder, one file an entry, each written whole.
pub struct FolderVault(pub std::path::PathBuf);

impl FolderVault {
    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name.replace(' ', "-"))
    }
}

impl SecretStore for FolderVault {
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        Ok(std::fs::read_to_string(self.file(name)).ok().map(SecretString::from))
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        let new = self.0.join("new");
        let write = std::fs::write(&new, secret.expose_secret()).and_then(|()| std::fs::rename(new, self.file(name)));
        write.map_err(|error| VaultError::Refused(error.to_string()))
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        let _ = std::fs::remove_file(self.file(name));
        Ok(())
    }
}
