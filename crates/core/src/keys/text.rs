//! The text of an API key: `atk_<id>_<secret><check>`.
//!
//! One double-click selects it, `atk_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}` finds it in a leak
//! scan, and the checksum refuses a typo before any hashing.

use rand::distr::{Alphanumeric, SampleString};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};

use super::KeyId;

const PREFIX: &str = "atk_";
const ID_LEN: usize = 10;
/// 43 base62 characters, each drawn uniformly: 256.03 random bits.
const SECRET_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const BODY_END: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN;

/// The length of every key, in bytes.
pub const KEY_LEN: usize = BODY_END + CHECK_LEN;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text of a key: wiped from memory when dropped, with no way to print itself.
#[derive(Clone)]
pub struct KeyText(SecretString);

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyText(…)")
    }
}

impl KeyText {
    /// A new key from the operating system's random source.
    ///
    /// # Panics
    /// When the operating system has no random numbers: nothing could be kept secret then.
    pub fn generate() -> Self {
        let mut random = UnwrapErr(SysRng);
        let mut text = String::with_capacity(KEY_LEN);
        text.push_str(PREFIX);
        Alphanumeric.append_string(&mut random, &mut text, ID_LEN);
        text.push('_');
        Alphanumeric.append_string(&mut random, &mut text, SECRET_LEN);
        let check = checksum(text.as_bytes());
        text.extend(check.iter().map(|&byte| char::from(byte)));
        Self(SecretString::from(text))
    }

    /// The public part that names this key.
    pub fn id(&self) -> KeyId {
        KeyId(id_of(self.expose()).into())
    }

    /// The last four characters, kept to recognise the key by.
    pub fn last_four(&self) -> &str {
        &self.expose()[KEY_LEN - 4..]
    }

    /// The text itself, for the one who is to hold it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Why a text can't be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Not of the form `atk_<id>_<secret><check>`.
    #[error("it does not have the form of a key")]
    Shape,
    /// Of the right form, but a character is wrong.
    #[error("its checksum is wrong, so a character was lost or mistyped")]
    Checksum,
}

/// Checks form and checksum and names the key: no secret is compared here.
pub fn parse(text: &str) -> Result<&str, Malformed> {
    let bytes = text.as_bytes();
    let separator = PREFIX.len() + ID_LEN;
    let shaped = bytes.len() == KEY_LEN
        && text.starts_with(PREFIX)
        && bytes[separator] == b'_'
        && is_base62(&bytes[PREFIX.len()..separator])
        && is_base62(&bytes[separator + 1..]);
    if !shaped {
        return Err(Malformed::Shape);
    }
    if checksum(&bytes[..BODY_END]) != bytes[BODY_END..] {
        return Err(Malformed::Checksum);
    }
    Ok(id_of(text))
}

/// Looks at all bytes, with no way out between: the compiler makes few steps of that.
fn is_base62(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, byte| good & byte.is_ascii_alphanumeric())
}

fn id_of(text: &str) -> &str {
    &text[PREFIX.len()..PREFIX.len() + ID_LEN]
}

/// CRC-32 (IEEE) in base62, most significant digit first.
fn checksum(body: &[u8]) -> [u8; CHECK_LEN] {
    let mut rest = crc32fast::hash(body);
    let mut digits = [b'0'; CHECK_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_generated_key_parses_and_names_itself() {
        let key = KeyText::generate();
        assert_eq!(parse(key.expose()), Ok(&*key.id().0));
        assert_eq!(key.expose().len(), KEY_LEN);
        assert!(key.expose().ends_with(key.last_four()));
    }

    #[test]
    fn two_keys_differ_in_id_and_secret() {
        let (a, b) = (KeyText::generate(), KeyText::generate());
        assert_ne!(a.id(), b.id());
        assert_ne!(a.expose()[15..58], b.expose()[15..58]);
    }

    #[test]
    fn a_key_never_prints_itself() {
        let key = KeyText::generate();
        assert!(!format!("{key:?}").contains(&key.expose()[15..]));
    }

    proptest! {
        #[test]
        fn any_single_changed_character_is_refused(at in 0..KEY_LEN, to in "[0-9A-Za-z_]") {
            let key = KeyText::generate();
            let mut typo = key.expose().to_owned();
            typo.replace_range(at..=at, &to);
            prop_assume!(typo != key.expose());
            prop_assert!(parse(&typo).is_err());
        }

        #[test]
        fn no_text_panics_the_parser(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn a_text_of_the_right_length_in_any_script_is_refused(text in "\\PC{20,64}") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
