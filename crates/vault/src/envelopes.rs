//! Envelopes of the encrypted file, made before they are needed: what takes long about sealing is scrypt, and whoever is
//! killed between a token that was spent and the writing of its successor loses a sign-in.

use std::sync::{Mutex, PoisonError};

use age::secrecy::{ExposeSecret, SecretString};

use atthene_core::vault::VaultError;

use crate::passphrase::passphrase;

/// scrypt's cost as a power of two: tens of milliseconds and 32 MiB for each opening.
const WORK_FACTOR: u8 = 15;
/// More are not kept: each that is made and not used was for a refresh that failed.
const MOST: usize = 32;

/// Envelopes, each for one writing, and the passphrase that opens them.
#[derive(Default)]
pub(crate) struct Envelopes {
    ready: Mutex<Vec<(SecretString, age::Encryptor)>>,
    /// One run of scrypt at a time: each takes 32 MiB.
    making: tokio::sync::Mutex<()>,
}

impl Envelopes {
    /// Makes one more, on a thread of its own, so that writings need not wait for it.
    pub(crate) async fn prepare(&self) -> Result<(), VaultError> {
        let _one = self.making.lock().await;
        if self.ready().len() >= MOST {
            return Ok(());
        }
        let made = tokio::task::spawn_blocking(|| {
            let passphrase = passphrase()?;
            Ok((passphrase.clone(), make(&passphrase)?))
        });
        let made = made.await.map_err(refused)??;
        self.ready().push(made);
        Ok(())
    }

    /// One that this passphrase opens: at hand, or made now.
    pub(crate) fn take(&self, passphrase: &SecretString) -> Result<age::Encryptor, VaultError> {
        // Those for a passphrase that is another by now are of no use.
        let next = || self.ready().pop();
        let fits = |(made_for, _): &(SecretString, _)| made_for.expose_secret() == passphrase.expose_secret();
        match std::iter::from_fn(next).find(fits) {
            Some((_, envelope)) => Ok(envelope),
            None => make(passphrase),
        }
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, Vec<(SecretString, age::Encryptor)>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(reason: impl std::fmt::Display) -> VaultError {
    VaultError::Refused(reason.to_string())
}

fn make(passphrase: &SecretString) -> Result<age::Encryptor, VaultError> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
    recipient.set_work_factor(WORK_FACTOR);
    age::Encryptor::with_recipients(std::iter::once(&recipient as _)).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_for_one_writing_and_one_passphrase() {
        let [old, new] =
            ["correct horse battery", "another horse battery"].map(|text| SecretString::from(text.to_owned()));
        let envelopes = Envelopes::default();
        for passphrase in [&new, &old, &old] {
            let envelope = make(passphrase).expect("made");
            envelopes.ready().push((passphrase.clone(), envelope));
        }
        let sealed = |passphrase: &SecretString| {
            let mut sealed = Vec::new();
            let envelope = envelopes.take(passphrase).expect("one");
            envelope.wrap_output(&mut sealed).and_then(|writer| writer.finish().map(drop)).expect("sealed");
            sealed
        };
        let opens = |sealed: &[u8], passphrase: &SecretString| {
            age::decrypt(&age::scrypt::Identity::new(passphrase.clone()), sealed).is_ok()
        };
        let first = sealed(&old);
        assert!(opens(&first, &old) && !opens(&first, &new));
        assert_eq!(envelopes.ready().len(), 2);
        // The other one of the old passphrase is of no use any more.
        let second = sealed(&new);
        assert!(opens(&second, &new) && !opens(&second, &old));
        assert!(envelopes.ready().is_empty());
        // None is at hand: one is made.
        assert!(opens(&sealed(&new), &new));
    }
}
