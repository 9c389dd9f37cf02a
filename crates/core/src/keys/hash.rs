//! What is kept of a key at rest: an argon2id PHC string.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::TryRng;
use rand::rngs::SysRng;
use subtle::ConstantTimeEq;

use super::KeyText;
use crate::error::Error;

/// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Larger than the 32 MiB up to which glibc keeps freed memory for the thread that used it:
/// each run's memory goes back to the system. Only what is used is ever touched.
const RESERVED_BLOCKS: usize = 33 * 1024;

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("argon2: {error}"))
}

/// One argon2id run over `text`. Takes tens of milliseconds.
fn run(text: &str, salt: &[u8], params: Params) -> Result<[u8; Params::DEFAULT_OUTPUT_LEN], Error> {
    let blocks = params.block_count();
    let mut memory = Vec::with_capacity(RESERVED_BLOCKS.max(blocks));
    memory.resize(blocks, Block::default());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(text.as_bytes(), salt, &mut output, &mut memory)
        .map_err(broken)?;
    Ok(output)
}

/// Hashes the text of a key with a random salt, as a PHC string.
pub(super) fn hash(text: &KeyText) -> Result<String, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(broken)?;
    let mut random = [0; Salt::RECOMMENDED_LENGTH];
    SysRng.try_fill_bytes(&mut random).map_err(broken)?;
    let salt = Salt::new(&random).map_err(broken)?;
    let output = run(text.expose(), salt.as_ref(), params.clone())?;
    let phc = PasswordHash {
        algorithm: Ident::new("argon2id").map_err(broken)?,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(broken)?,
        salt: Some(salt),
        hash: Some(Output::new(&output).map_err(broken)?),
    };
    Ok(phc.to_string())
}

/// Whether `text` is the text of which `phc` was made. As slow as [`hash`].
pub(super) fn matches(text: &str, phc: &str) -> bool {
    // A row that can't be read as PHC verifies nothing: fail closed.
    let Ok(phc) = PasswordHash::new(phc) else { return false };
    let (Some(salt), Some(expected), Ok(params)) = (&phc.salt, &phc.hash, Params::try_from(&phc)) else { return false };
    run(text, salt.as_ref(), params).is_ok_and(|output| output.ct_eq(expected.as_ref()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_matches_and_the_hash_says_how_it_was_made() {
        let profile = crate::profile_secret::ProfileSecret::from_row([7; 32]);
        let (key, other) = (KeyText::generate(&profile), KeyText::generate(&profile));
        let phc = hash(&key).expect("hashes");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(matches(key.expose(), &phc));
        assert!(!matches(other.expose(), &phc));
        assert!(!matches(key.expose(), "not a hash"));
    }
}
