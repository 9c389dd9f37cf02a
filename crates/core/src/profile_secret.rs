//! The secret that each profile is born with: 32 random bytes in its rows. It makes the check
//! characters of keys, proves to our own faces that a gateway serves this very profile, and signs what leaves the record.

use blake2::Blake2sMac256;
use blake2::digest::Mac;
use rand::TryRng;
use rand::rngs::SysRng;
use ring::signature::Ed25519KeyPair;
use secrecy::zeroize::{Zeroize, Zeroizing};
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::hex::hex;

pub(crate) const SECRET_LEN: usize = 32;

/// What the one secret is used for: BLAKE2's personalisation keeps the uses apart (RFC 7693, 2.8), so
/// that no proof of a gateway is ever the check of a key.
const CHECK_OF_KEYS: [u8; 8] = *b"key text";
const PROOF_OF_GATEWAYS: [u8; 8] = *b"gateway?";
const KEY_OF_SIGNATURES: [u8; 8] = *b"signings";
const SEAL_OF_CURSORS: [u8; 8] = *b"cursors.";
const PUBLIC_ID: [u8; 8] = *b"publicid";
/// Bytes of a public id: no two of a million profiles have the same.
const PUBLIC_ID_LEN: usize = 8;

/// What a gateway answers to a challenge.
pub type Proof = [u8; 32];

/// The secret of one profile. Wiped when dropped; it does not print itself.
#[derive(Clone)]
pub struct ProfileSecret([u8; SECRET_LEN]);

impl ProfileSecret {
    /// A new one from the operating system's random source.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; SECRET_LEN];
        SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| Error::Internal(format!("no random numbers from the system: {error}")))?;
        Ok(Self(bytes))
    }

    /// One that was made before.
    pub fn from_row(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes)
    }

    /// As it is kept, and nowhere else.
    pub fn bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    /// 64 bits over the body of a key's text.
    pub(crate) fn check(&self, body: &[u8]) -> u64 {
        let mac = self.mac(CHECK_OF_KEYS, &[body]);
        let (words, _) = mac.as_chunks();
        u64::from_be_bytes(words[0])
    }

    /// The answer of a gateway that listens on this port to a challenge. The port is in it: a stranger
    /// can't pass the challenge on to the right gateway elsewhere on this machine.
    pub fn proof(&self, port: u16, challenge: &[u8]) -> Proof {
        self.mac(PROOF_OF_GATEWAYS, &[&port.to_be_bytes(), challenge])
    }

    /// Whether `proof` answers the challenge, in constant time.
    pub fn accepts(&self, port: u16, challenge: &[u8], proof: &[u8]) -> bool {
        self.proof(port, challenge).ct_eq(proof).into()
    }

    /// Seals what an agent keeps for us until it gives it back.
    pub fn seal(&self, text: &[u8]) -> Proof {
        self.mac(SEAL_OF_CURSORS, &[text])
    }

    /// Whether this is the seal of `text`, in constant time.
    pub fn has_sealed(&self, text: &[u8], seal: &[u8]) -> bool {
        self.seal(text).ct_eq(seal).into()
    }

    /// What this profile is called where it has to be told from others: 16 hexadecimal digits that tell nothing of the
    /// secret, and are the same wherever its rows lie.
    pub fn public_id(&self) -> String {
        hex(&self.mac(PUBLIC_ID, &[])[..PUBLIC_ID_LEN])
    }

    /// The key that this profile signs with, always the same one.
    pub(crate) fn signing_key(&self) -> Ed25519KeyPair {
        let seed = Zeroizing::new(self.mac(KEY_OF_SIGNATURES, &[]));
        #[expect(clippy::expect_used, reason = "any 32 bytes are a private key (RFC 8032, 5.1.5)")]
        Ed25519KeyPair::from_seed_unchecked(&*seed).expect("32 bytes")
    }

    fn mac(&self, purpose: [u8; 8], parts: &[&[u8]]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "the lengths are constants of this file")]
        let mut mac = Blake2sMac256::new_with_salt_and_personal(Some(&self.0), &[], &purpose).expect("a valid length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for ProfileSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProfileSecret(…)")
    }
}

impl Drop for ProfileSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_secret_port_and_challenge_only() {
        let (own, other) = (ProfileSecret::from_row([1; SECRET_LEN]), ProfileSecret::from_row([2; SECRET_LEN]));
        let proof = own.proof(8765, b"challenge");
        assert!(own.accepts(8765, b"challenge", &proof));
        assert!(!own.accepts(8766, b"challenge", &proof), "it was passed on");
        assert!(!own.accepts(8765, b"challengf", &proof) && !other.accepts(8765, b"challenge", &proof));
        assert!(!own.accepts(8765, b"challenge", &proof[..31]) && !own.accepts(8765, b"challenge", b""));
        assert!(!format!("{own:?}").contains('1'));
    }

    #[test]
    fn a_seal_holds_for_its_secret_and_text_only() {
        let (own, other) = (ProfileSecret::from_row([1; SECRET_LEN]), ProfileSecret::from_row([2; SECRET_LEN]));
        let seal = own.seal(b"text");
        assert!(own.has_sealed(b"text", &seal));
        assert!(!own.has_sealed(b"texu", &seal) && !other.has_sealed(b"text", &seal));
        assert!(!own.has_sealed(b"text", &seal[..31]) && !own.has_sealed(b"text", b""));
        assert_ne!(seal, own.proof(0, b"text"), "its uses are kept apart");
    }

    #[test]
    fn a_public_id_is_what_others_compute_by_blake2s() {
        // hashlib.blake2s(key=secret, person=b"publicid", digest_size=32).hexdigest()[:16]
        assert_eq!(ProfileSecret::from_row([1; SECRET_LEN]).public_id(), "851b58d81ee5da9c");
        let counted = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        assert_eq!(ProfileSecret::from_row(counted).public_id(), "0702558e8ab0594d");
    }
}
