//! What is kept of a key at rest: an argon2id PHC string.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use super::KeyText;
use crate::error::Error;

/// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

fn argon2id() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| Error::Internal(format!("argon2 parameters: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes the text of a key with a random salt. Takes tens of milliseconds and 19 MiB.
pub(super) fn hash(text: &KeyText) -> Result<String, Error> {
    argon2id()?
        .hash_password(text.expose().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Error::Internal(format!("argon2: {error}")))
}

/// Whether `text` is the text of which `phc` was made. As slow as [`hash`].
pub(super) fn matches(text: &str, phc: &str) -> bool {
    // A row that can't be read as PHC verifies nothing: fail closed.
    let (Ok(phc), Ok(argon2)) = (PasswordHash::new(phc), argon2id()) else { return false };
    argon2.verify_password(text.as_bytes(), &phc).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_matches_and_the_hash_says_how_it_was_made() {
        let (key, other) = (KeyText::generate(), KeyText::generate());
        let phc = hash(&key).expect("hashes");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(matches(key.expose(), &phc));
        assert!(!matches(other.expose(), &phc));
        assert!(!matches(key.expose(), "not a hash"));
    }
}
