//! The text of an API key: `atk_<id>_<secret><check>`.
//!
//! One double-click selects it, `atk_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}` finds it in a leak scan, and the
//! check characters, a MAC under the profile's secret, refuse a typo and a guess before any hashing.

use rand::distr::{Alphanumeric, SampleString};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::KeyId;
use crate::profile_secret::ProfileSecret;

const PREFIX: &str = "atk_";
const ID_LEN: usize = 10;
/// 43 base62 characters, each drawn uniformly: 256.03 random bits.
const SECRET_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const BODY_END: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN;

/// The length of every key, in bytes.
pub const KEY_LEN: usize = BODY_END + CHECK_LEN;

/// What stands in the samples in place of a key.
pub const PLACEHOLDER: &str = "YOUR_API_KEY";

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
    /// A new key of the profile with this secret, from the operating system's random source.
    ///
    /// # Panics
    /// When the operating system has no random numbers: nothing could be kept secret then.
    pub fn generate(profile: &ProfileSecret) -> Self {
        let mut random = UnwrapErr(SysRng);
        let mut text = String::with_capacity(KEY_LEN);
        text.push_str(PREFIX);
        Alphanumeric.append_string(&mut random, &mut text, ID_LEN);
        text.push('_');
        Alphanumeric.append_string(&mut random, &mut text, SECRET_LEN);
        let check = check(profile, text.as_bytes());
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
    /// What the samples have in place of a key.
    #[error("it is the placeholder of the samples")]
    Placeholder,
    /// Not of the form `atk_<id>_<secret><check>`.
    #[error("it does not have the form of a key")]
    Shape,
    /// Of the right form, but not made by this profile: mistyped, guessed, or of another machine.
    #[error("its check characters are wrong, so it was mistyped or made elsewhere")]
    Check,
}

/// Checks the form alone and names the key: anybody can make such a text.
pub fn parse(text: &str) -> Result<&str, Malformed> {
    let bytes = text.as_bytes();
    let separator = PREFIX.len() + ID_LEN;
    let shaped = bytes.len() == KEY_LEN
        && text.starts_with(PREFIX)
        && bytes[separator] == b'_'
        && is_base62(&bytes[PREFIX.len()..separator])
        && is_base62(&bytes[separator + 1..]);
    if shaped { Ok(id_of(text)) } else { Err(Malformed::Shape) }
}

/// Checks that the text was made by the profile with this secret, in constant time, and names the key.
pub(super) fn made_by<'a>(profile: &ProfileSecret, text: &'a str) -> Result<&'a str, Malformed> {
    let id = parse(text)?;
    let (body, expected) = text.as_bytes().split_at(BODY_END);
    if check(profile, body).ct_eq(expected).into() { Ok(id) } else { Err(Malformed::Check) }
}

/// Looks at all bytes, with no way out between: the compiler makes few steps of that.
fn is_base62(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, byte| good & byte.is_ascii_alphanumeric())
}

fn id_of(text: &str) -> &str {
    &text[PREFIX.len()..PREFIX.len() + ID_LEN]
}

/// A MAC cut to six base62 digits, the most significant first: one guess in 5.7e10 passes.
fn check(profile: &ProfileSecret, body: &[u8]) -> [u8; CHECK_LEN] {
    let mut rest = profile.check(body);
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

    fn profile() -> ProfileSecret {
        ProfileSecret::from_row([7; 32])
    }

    fn generate() -> KeyText {
        KeyText::generate(&profile())
    }

    #[test]
    fn a_generated_key_parses_and_names_itself() {
        let key = generate();
        assert_eq!(made_by(&profile(), key.expose()), Ok(&*key.id().0));
        assert_eq!(key.expose().len(), KEY_LEN);
        assert!(key.expose().ends_with(key.last_four()));
    }

    #[test]
    fn two_keys_differ_in_id_and_secret() {
        let (a, b) = (generate(), generate());
        assert_ne!(a.id(), b.id());
        assert_ne!(a.expose()[15..58], b.expose()[15..58]);
    }

    #[test]
    fn a_key_of_another_profile_and_one_with_a_checksum_that_anybody_can_make_are_refused() {
        let key = generate();
        assert_eq!(made_by(&ProfileSecret::from_row([8; 32]), key.expose()), Err(Malformed::Check));
        // As keys of the first version had it: CRC-32 in base62.
        let mut rest = crc32fast::hash(&key.expose().as_bytes()[..BODY_END]);
        let mut old = key.expose().as_bytes().to_vec();
        for digit in old[BODY_END..].iter_mut().rev() {
            *digit = BASE62[(rest % 62) as usize];
            rest /= 62;
        }
        assert_eq!(made_by(&profile(), str::from_utf8(&old).expect("ASCII")), Err(Malformed::Check));
    }

    #[test]
    fn a_key_never_prints_itself() {
        let key = generate();
        assert!(!format!("{key:?}").contains(&key.expose()[15..]));
    }

    proptest! {
        #[test]
        fn any_single_changed_character_is_refused(at in 0..KEY_LEN, to in "[0-9A-Za-z_]") {
            let key = generate();
            let mut typo = key.expose().to_owned();
            typo.replace_range(at..=at, &to);
            prop_assume!(typo != key.expose());
            prop_assert!(made_by(&profile(), &typo).is_err());
        }

        #[test]
        fn no_text_panics_the_parser(text in any::<String>()) {
            let _ = made_by(&profile(), &text);
        }

        #[test]
        fn a_text_of_the_right_length_in_any_script_is_refused(text in "\\PC{20,64}") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
