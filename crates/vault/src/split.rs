//! Secrets longer than an entry of the platform's keychain may be: in parts, read back whole or not at all.

use blake2::{Blake2s256, Digest};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use atthene_core::vault::VaultError;

use crate::secret_store::SecretStore;
use atthene_core::hex;

/// A store whose entries hold `largest` bytes at the most.
pub(super) struct Split<S> {
    store: S,
    largest: usize,
}

/// What lies under the name of a secret in parts. The parts of one writing have names of their own, so an
/// interrupted writing leaves the secret that was there before.
#[derive(Serialize, Deserialize)]
struct PartIndex {
    parts: usize,
    writing: String,
    /// Over the whole secret: parts of two writings are told apart.
    hash: String,
}

/// How the entry of a secret in parts begins. No secret of this app does: they are JSON of another kind.
const MARK: &str = "in parts ";

impl<S: SecretStore> Split<S> {
    pub(super) fn new(store: S, largest: usize) -> Self {
        Self { store, largest }
    }

    fn contents(&mut self, name: &str) -> Result<Option<PartIndex>, VaultError> {
        let kept = self.store.get(name)?;
        Ok(kept.and_then(|kept| serde_json::from_str(kept.expose_secret().strip_prefix(MARK)?).ok()))
    }

    /// The secret; `None`: a part is missing or of another.
    fn whole(&mut self, name: &str, contents: &PartIndex) -> Result<Option<SecretString>, VaultError> {
        let mut whole = Zeroizing::new(String::new());
        for at in 0..contents.parts {
            match self.store.get(&part(name, &contents.writing, at))? {
                Some(part) => whole.push_str(part.expose_secret()),
                None => return Ok(None),
            }
        }
        Ok((hash(&whole) == contents.hash).then(|| whole.as_str().into()))
    }

    /// Writes a secret in parts, and the entry that names them last.
    fn set_parts(&mut self, name: &str, text: &str) -> Result<(), VaultError> {
        let parts = cut(text, self.largest);
        let writing = format!("{:08x}", rand::rng().random::<u32>());
        let contents = PartIndex { parts: parts.len(), writing, hash: hash(text) };
        let entry = serde_json::to_string(&contents).map_err(|error| VaultError::Refused(error.to_string()))?;
        let mut written = || {
            for (at, text) in parts.iter().enumerate() {
                self.store.set(&part(name, &contents.writing, at), &SecretString::from(*text))?;
            }
            self.store.set(name, &format!("{MARK}{entry}").into())
        };
        let written = written();
        // Nothing names what was written of it; where that can't be deleted either, it is part of no secret.
        if written.is_err() && !self.contents(name).is_ok_and(|it| it.is_some_and(|it| it.writing == contents.writing))
        {
            let _ = self.delete_parts(name, &contents);
        }
        written
    }

    fn delete_parts(&mut self, name: &str, contents: &PartIndex) -> Result<(), VaultError> {
        (0..contents.parts).try_for_each(|at| self.store.delete(&part(name, &contents.writing, at)))
    }
}

fn part(name: &str, writing: &str, at: usize) -> String {
    format!("{name}, part {} of writing {writing}", at + 1)
}

fn hash(secret: &str) -> String {
    hex(&Blake2s256::digest(secret)[..16])
}

/// Cuts between characters.
fn cut(mut text: &str, largest: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    while text.len() > largest {
        let at = (1..=largest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let (part, rest) = text.split_at(at);
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

impl<S: SecretStore> SecretStore for Split<S> {
    fn check_writable(&mut self) -> Result<(), VaultError> {
        self.store.check_writable()
    }

    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        let mut looked_for = None;
        loop {
            let Some(kept) = self.store.get(name)? else { return Ok(None) };
            let Some(contents) = kept.expose_secret().strip_prefix(MARK) else { return Ok(Some(kept)) };
            let Ok(contents) = serde_json::from_str::<PartIndex>(contents) else { return Ok(None) };
            if let Some(whole) = self.whole(name, &contents)? {
                return Ok(Some(whole));
            }
            // Another process may have written anew meanwhile; what is missing twice is gone.
            if looked_for.as_ref() == Some(&contents.writing) {
                return Ok(None);
            }
            looked_for = Some(contents.writing);
        }
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        let before = self.contents(name)?;
        let text = secret.expose_secret();
        if text.len() <= self.largest {
            self.store.set(name, secret)?;
        } else {
            self.set_parts(name, text)?;
        }
        before.map_or(Ok(()), |before| self.delete_parts(name, &before))
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        if let Some(contents) = self.contents(name)? {
            self.delete_parts(name, &contents)?;
        }
        self.store.delete(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// A keychain that refuses long entries, and everything once `left` calls were made.
    #[derive(Default)]
    struct Small {
        entries: HashMap<String, SecretString>,
        left: Option<usize>,
    }

    const LARGEST: usize = 64;

    impl Small {
        fn call(&mut self) -> Result<(), VaultError> {
            match &mut self.left {
                Some(0) => Err(VaultError::Timeout),
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }
    }

    impl SecretStore for Small {
        fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
            self.call()?;
            Ok(self.entries.get(name).cloned())
        }

        fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
            self.call()?;
            // What says that a secret is in parts is short for any length; the test's limit is shorter.
            let of_parts = secret.expose_secret().starts_with(MARK);
            if secret.expose_secret().len() > LARGEST && !of_parts {
                return Err(VaultError::Refused("too long".into()));
            }
            self.entries.insert(name.to_owned(), secret.clone());
            Ok(())
        }

        fn delete(&mut self, name: &str) -> Result<(), VaultError> {
            self.call()?;
            self.entries.remove(name);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn secrets_of_any_length_come_back_whole_and_leave_nothing(texts in prop::collection::vec("\\PC{1,300}", 1..5)) {
            let mut split = Split::new(Small::default(), LARGEST);
            for text in &texts {
                split.set("a", &text.as_str().into()).expect("keeps");
                let read = split.get("a").expect("reads").expect("there");
                prop_assert_eq!(read.expose_secret(), text);
            }
            split.delete("a").expect("deletes");
            prop_assert!(split.store.entries.is_empty());
        }

        #[test]
        fn a_writing_that_breaks_off_leaves_the_old_secret_or_the_new_one(calls in 0..12_usize) {
            let (old, new) = ("o".repeat(200), "n".repeat(300));
            let mut split = Split::new(Small::default(), LARGEST);
            split.set("a", &old.as_str().into()).expect("keeps");
            split.store.left = Some(calls);
            let written = split.set("a", &new.as_str().into());
            split.store.left = None;
            let read = split.get("a").expect("reads").expect("there");
            prop_assert!(read.expose_secret() == new || (written.is_err() && read.expose_secret() == old));
            // What can still be deleted of a writing that failed is.
            split.set("a", &"short".into()).expect("keeps");
            split.delete("a").expect("deletes");
            prop_assert!(split.store.entries.len() <= 10, "{:?}", split.store.entries.keys());
        }

        #[test]
        fn a_part_that_is_missing_or_another_makes_it_none(at in 0..4_usize, gone in any::<bool>()) {
            let mut split = Split::new(Small::default(), LARGEST);
            split.set("a", &"s".repeat(250).as_str().into()).expect("keeps");
            let contents = split.contents("a").expect("reads").expect("in parts");
            let name = part("a", &contents.writing, at);
            if gone {
                split.store.entries.remove(&name);
            } else {
                split.store.entries.insert(name, "other".into());
            }
            prop_assert!(split.get("a").expect("reads").is_none());
        }
    }
}
