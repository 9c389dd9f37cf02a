//! One secret, sealed for one row of one fleet.
//!
//! A value is `version ‖ id of the key ‖ salt ‖ ciphertext ‖ tag`. The salt (32 random bytes) makes a key for this
//! one message (HKDF-SHA256, RFC 5869), which seals it with ChaCha20-Poly1305 (RFC 8439): a nonce can't be used twice,
//! and no number of messages wears the fleet's key out. Bound to it are the version, the key's id, the profile and
//! the entry, so that a value opens in its own row only.
//!
//! What a secret may be used for is inside: [`atthene_core::bound::Bound`] keeps with a refresh token its issuer,
//! client ID, Graph and account, with a client secret its issuer, client ID and Graph, with the runtime's credential
//! the runtime's URL, and with a sign-in under way its recipient. So an older value of the same row, which opens as it
//! always did, is refused by the rules wherever the row leads elsewhere by now.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use secrecy::SecretString;
use zeroize::Zeroizing;

use atthene_core::vault::VaultError;

use crate::fleet_key::{FleetKey, FleetKeyId};
use crate::random;

const VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = 1 + FleetKeyId::LEN;
const PURPOSE: &[u8] = b"atthene sealed secret, version 1";

/// Lengths are hidden in steps of this: a client secret can't be told from a password.
pub(crate) const STEP: usize = 256;
/// Marks where the secret ends; zeros follow (ISO/IEC 7816-4). Unambiguous whatever the secret ends with.
const END: u8 = 0x80;

/// Seals a secret for this entry of this profile.
///
/// # Errors
/// [`VaultError::Refused`]: it is longer than the cipher takes.
pub(crate) fn seal(key: &FleetKey, profile: &str, entry: &str, secret: &str) -> Result<Vec<u8>, VaultError> {
    let mut sealed = Vec::with_capacity(HEAD_LEN + SALT_LEN + padded_len(secret.len()) + TAG_LEN);
    sealed.push(VERSION);
    sealed.extend_from_slice(key.id().bytes());
    let mut salt = [0; SALT_LEN];
    random::fill(&mut salt);
    sealed.extend_from_slice(&salt);

    // Sealed where it lies; wiped also where that fails.
    let mut text = Zeroizing::new(Vec::with_capacity(padded_len(secret.len())));
    text.extend_from_slice(secret.as_bytes());
    text.push(END);
    text.resize(padded_len(secret.len()), 0);
    let bound = bound_to(&sealed[..HEAD_LEN], profile, entry);
    let tag = message_key(key, &salt)
        .and_then(|key| key.seal_in_place_separate_tag(nonce(), Aad::from(&bound), &mut text))
        .map_err(|_| VaultError::Refused("a secret could not be sealed".into()))?;
    sealed.extend_from_slice(&text);
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// The secret that was sealed for this entry of this profile, under this key.
///
/// # Errors
/// [`VaultError::Newer`], [`VaultError::OtherFleetKey`], and [`VaultError::Damaged`] for whatever is not what was
/// sealed for this very row.
pub fn open_sealed(key: &FleetKey, profile: &str, entry: &str, sealed: &[u8]) -> Result<SecretString, VaultError> {
    let damaged = || VaultError::Damaged(entry.to_owned());
    if sealed.first().is_some_and(|version| *version > VERSION) {
        return Err(VaultError::Newer(entry.to_owned()));
    }
    let sealed_under = sealed_under(sealed).ok_or_else(damaged)?;
    if sealed_under != key.id() {
        return Err(VaultError::OtherFleetKey { sealed: sealed_under.to_string(), own: key.id().to_string() });
    }
    let (head, rest) = sealed.split_at_checked(HEAD_LEN).ok_or_else(damaged)?;
    let (salt, ciphertext) = rest.split_at_checked(SALT_LEN).ok_or_else(damaged)?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let bound = bound_to(head, profile, entry);
    let opened = message_key(key, salt).and_then(|key| key.open_in_place(nonce(), Aad::from(&bound), &mut text));
    let padded = opened.map_err(|_| damaged())?;
    // Authentic from here on: what follows tells nobody anything.
    let end = padded.iter().rposition(|byte| *byte != 0).filter(|end| padded[*end] == END).ok_or_else(damaged)?;
    str::from_utf8(&padded[..end]).map(SecretString::from).map_err(|_| damaged())
}

/// Names the key that a value says it was sealed under; `None`: it is no value of this version.
pub(crate) fn sealed_under(sealed: &[u8]) -> Option<FleetKeyId> {
    let (version, rest) = sealed.split_first()?;
    let id = rest.first_chunk::<{ FleetKeyId::LEN }>()?;
    (*version == VERSION).then(|| FleetKeyId::from_bytes(*id))
}

/// With room for the mark of the end.
fn padded_len(length: usize) -> usize {
    (length / STEP + 1) * STEP
}

/// What a value is bound to, each part with its length, so that no two rows are bound alike.
fn bound_to(head: &[u8], profile: &str, entry: &str) -> Vec<u8> {
    let mut bound = head.to_vec();
    for part in [profile, entry] {
        bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part.as_bytes());
    }
    bound
}

/// The key of one message.
fn message_key(key: &FleetKey, salt: &[u8]) -> Result<LessSafeKey, ring::error::Unspecified> {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key.bytes());
    Ok(LessSafeKey::new(UnboundKey::from(secret.expand(&[PURPOSE], &CHACHA20_POLY1305)?)))
}

/// Always the same one: each key seals one message.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; ring::aead::NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const PROFILE: &str = "profile of the tests";
    const ENTRY: &str = "Sign-in of outlook-a";

    fn sealed(key: &FleetKey, secret: &str) -> Vec<u8> {
        seal(key, PROFILE, ENTRY, secret).expect("seals")
    }

    #[test]
    fn secrets_of_any_length_come_back() {
        let key = FleetKey::generate();
        let around_steps = (0..=40).flat_map(|step| [step * STEP, step * STEP + 1, (step * STEP + STEP) - 1]);
        for length in (0..600).chain(around_steps) {
            // Also where a secret ends like what is added.
            for secret in ["s".repeat(length), "\0".repeat(length), "\u{80}".repeat(length / 2)] {
                let opened = open_sealed(&key, PROFILE, ENTRY, &sealed(&key, &secret)).expect("opens");
                assert!(opened.expose_secret() == secret, "{length}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let key = FleetKey::generate();
        let sealed = sealed(&key, "not-a-real-token");
        let open = |bytes: &[u8]| open_sealed(&key, PROFILE, ENTRY, bytes);
        assert!(open(&sealed).is_ok());
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[at] ^= 1 << bit;
                let refused = open(&flipped).expect_err("refused");
                let is_told = match at {
                    0 => matches!(refused, VaultError::Newer(_) | VaultError::Damaged(_)),
                    1..HEAD_LEN => matches!(refused, VaultError::OtherFleetKey { .. }),
                    _ => matches!(refused, VaultError::Damaged(_)),
                };
                assert!(is_told, "bit {bit} of byte {at}: {refused:?}");
            }
        }
        for length in 0..sealed.len() {
            assert!(matches!(open(&sealed[..length]), Err(VaultError::Damaged(_))), "{length} bytes");
        }
        assert!(open(&[sealed.as_slice(), b"\0"].concat()).is_err());
    }

    #[test]
    fn a_value_opens_in_its_own_row_of_its_own_fleet_only() {
        let (key, other) = (FleetKey::generate(), FleetKey::generate());
        let sealed = sealed(&key, "not-a-real-token");
        let rows = [
            (PROFILE, "Sign-in of outlook-b"),
            ("profile of others", ENTRY),
            // The same bytes, cut elsewhere.
            ("profile of the testsS", "ign-in of outlook-a"),
            ("", ENTRY),
            (PROFILE, ""),
        ];
        for (profile, entry) in rows {
            let refused = open_sealed(&key, profile, entry, &sealed).expect_err("moved");
            assert!(matches!(&refused, VaultError::Damaged(named) if named == entry), "{refused:?}");
        }
        let refused = open_sealed(&other, PROFILE, ENTRY, &sealed).expect_err("another key");
        let VaultError::OtherFleetKey { sealed: under, own } = refused else { panic!("{refused:?}") };
        assert_eq!((under, own), (key.id().to_string(), other.id().to_string()));
        // Somebody writes the id of the other key over it.
        let mut forged = sealed;
        forged[1..HEAD_LEN].copy_from_slice(other.id().bytes());
        assert!(matches!(open_sealed(&other, PROFILE, ENTRY, &forged), Err(VaultError::Damaged(_))));
    }

    #[test]
    fn nothing_can_be_told_from_what_lies_there() {
        let key = FleetKey::generate();
        let secret = "planted-not-a-token";
        let (one, two) = (sealed(&key, secret), sealed(&key, secret));
        let common = one[HEAD_LEN..].iter().zip(&two[HEAD_LEN..]).filter(|(one, two)| one == two).count();
        assert!(common < one.len() / 8, "the same secret is another value each time: {common} alike");
        for sealed in [&one, &two] {
            assert!(!sealed.windows(7).any(|part| part == b"planted"));
            assert!(!sealed.windows(8).any(|part| key.bytes().windows(8).any(|of_key| of_key == part)));
        }
        // From an empty one to the longest of the first step.
        for length in [0, 1, 20, STEP - 1] {
            assert_eq!(sealed(&key, &"s".repeat(length)).len(), one.len());
        }
        assert_eq!(sealed(&key, &"s".repeat(STEP)).len(), one.len() + STEP);
    }

    #[test]
    fn errors_tell_nothing_of_the_secret() {
        let (key, other) = (FleetKey::generate(), FleetKey::generate());
        let mut sealed = sealed(&key, "planted-not-a-token");
        let wrong = open_sealed(&other, PROFILE, ENTRY, &sealed).expect_err("another key");
        sealed.reverse();
        let damaged = open_sealed(&key, PROFILE, ENTRY, &sealed).expect_err("damaged");
        let told = format!("{wrong} {wrong:?} {damaged} {damaged:?}");
        assert!(!told.contains("planted"), "{told}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_and_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..700), ours in any::<bool>()) {
            let key = FleetKey::generate();
            let mut bytes = bytes;
            if ours && bytes.len() >= HEAD_LEN {
                bytes[0] = VERSION;
                bytes[1..HEAD_LEN].copy_from_slice(key.id().bytes());
            }
            prop_assert!(open_sealed(&key, PROFILE, ENTRY, &bytes).is_err());
        }
    }
}
