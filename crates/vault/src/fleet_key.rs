//! The key under which the secrets of a fleet lie in its database. Each host keeps it in its own vault; the database
//! never sees it.

use std::fmt;

use ring::hmac;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use atthene_core::hex;

use crate::random;

const KEY_LEN: usize = 32;
const ID_LEN: usize = 8;
const CHECK_LEN: usize = 4;

/// A leak scan finds it by `atf_[0-9a-f]{72}`.
const PREFIX: &str = "atf_";

/// What else is made of the key, kept apart from each other and from what seals ([`crate::seal`] has its own).
const NAME: &[u8] = b"atthene fleet key: its id";
const CHECK: &[u8] = b"atthene fleet key: check of its text";

/// The key of a fleet: 32 random bytes, wiped when dropped. It prints nothing but its id.
pub struct FleetKey(SecretBox<[u8; KEY_LEN]>);

/// Names a key without telling anything of it: the first eight bytes of a MAC under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetKeyId([u8; ID_LEN]);

/// A text that is no fleet key, or one that was mistyped or cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the text of a fleet key, or not all of it")]
pub struct NotAFleetKey;

impl FleetKey {
    /// A new one from the operating system's random source.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    pub fn generate() -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; KEY_LEN]| random::fill(bytes)))
    }

    /// Names it, in public.
    pub fn id(&self) -> FleetKeyId {
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&self.mac(NAME).as_ref()[..ID_LEN]);
        FleetKeyId(id)
    }

    /// As it lies in a host's vault and in an invite: `atf_<key><check>`, in hexadecimal digits.
    pub fn text(&self) -> SecretString {
        let key = Zeroizing::new(hex(self.bytes()));
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LEN));
        text.push_str(PREFIX);
        text.push_str(&key);
        text.push_str(&hex(&self.mac(CHECK).as_ref()[..CHECK_LEN]));
        SecretString::from(text.as_str())
    }

    /// The key of this text.
    pub fn from_text(text: &SecretString) -> Result<Self, NotAFleetKey> {
        let digits = text.expose_secret().strip_prefix(PREFIX).ok_or(NotAFleetKey)?;
        if digits.len() != TEXT_LEN - PREFIX.len() {
            return Err(NotAFleetKey);
        }
        let (pairs, _) = digits.as_bytes().as_chunks::<2>();
        let mut key = Self(SecretBox::init_with_mut(|_| {}));
        let mut check = [0; CHECK_LEN];
        let bytes = key.0.expose_secret_mut().iter_mut().chain(&mut check);
        for (byte, [high, low]) in bytes.zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        let is_whole = key.mac(CHECK).as_ref()[..CHECK_LEN].ct_eq(&check);
        if is_whole.into() { Ok(key) } else { Err(NotAFleetKey) }
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        self.0.expose_secret()
    }

    fn mac(&self, purpose: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes()), purpose)
    }
}

const TEXT_LEN: usize = PREFIX.len() + 2 * (KEY_LEN + CHECK_LEN);

/// Lower case alone: one key has one text.
fn digit(character: u8) -> Result<u8, NotAFleetKey> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(NotAFleetKey),
    }
}

impl PartialEq for FleetKey {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }
}

impl Eq for FleetKey {}

impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FleetKey({} …)", self.id())
    }
}

impl fmt::Display for FleetKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FleetKeyId {
    /// How many bytes one has.
    pub(crate) const LEN: usize = ID_LEN;

    pub(crate) fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text_and_shows_it_nowhere() {
        let (key, other) = (FleetKey::generate(), FleetKey::generate());
        let text = key.text();
        let back = FleetKey::from_text(&text).expect("its own text");
        assert!(back == key && back.id() == key.id());
        assert!(other != key && other.id() != key.id());
        assert_eq!(text.expose_secret().len(), 76, "as the leak scan looks for it");
        let shown = format!("{key:?} {:?} {} {text:?}", key.id(), key.id());
        let digits = &text.expose_secret()[PREFIX.len()..];
        assert!((0..digits.len() - 8).all(|at| !shown.contains(&digits[at..at + 8])), "{shown}");
        assert!(!digits.contains(&key.id().to_string()), "the id is no part of the key");
    }

    #[test]
    fn a_text_with_one_other_character_is_no_key() {
        let text = FleetKey::generate().text();
        let refused = |text: String| FleetKey::from_text(&text.into()) == Err(NotAFleetKey);
        let text = text.expose_secret();
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
            assert!(refused(format!("{}{other}{}", &text[..at], &text[at + 1..])), "at {at}");
        }
        assert!(refused(text[..text.len() - 1].to_owned()) && refused(format!("{text}0")));
        assert!(refused(text.to_uppercase()) && refused(String::new()) && refused(PREFIX.to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(atf_)?\\PC{0,80}") {
            prop_assert_eq!(FleetKey::from_text(&text.into()), Err(NotAFleetKey));
        }
    }
}
