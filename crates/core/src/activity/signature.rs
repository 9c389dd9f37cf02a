//! Signs what leaves the record, so that whoever gets it can tell that it comes from this profile and is unchanged: a
//! JWS in its flattened JSON form (RFC 7515, 7.2.2), signed with Ed25519 (RFC 8037, 3.1), which any JOSE library checks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::profile_secret::ProfileSecret;

const ALGORITHM: &str = "EdDSA";
const CURVE: &str = "Ed25519";
const KEY_TYPE: &str = "OKP";

/// A public key as its holder names it: the thumbprint of its JWK (RFC 7638).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Thumbprint(String);

impl std::fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public key, as a JWK (RFC 8037, 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Jwk {
    crv: String,
    kty: String,
    x: String,
}

impl Jwk {
    fn of(pair: &Ed25519KeyPair) -> Self {
        Self { crv: CURVE.into(), kty: KEY_TYPE.into(), x: BASE64URL.encode(pair.public_key()) }
    }

    fn thumbprint(&self) -> Thumbprint {
        // As RFC 7638, 3.2 wants it: these members, in this order, with nothing between them.
        let json = format!(r#"{{"crv":"{CURVE}","kty":"{KEY_TYPE}","x":{}}}"#, serde_json::Value::from(&*self.x));
        Thumbprint(BASE64URL.encode(digest(&SHA256, json.as_bytes())))
    }

    /// Whether this is the signature of this key's holder under `input`.
    fn accepts(&self, input: &str, signature: &[u8]) -> bool {
        let Ok(x) = BASE64URL.decode(&self.x) else { return false };
        (self.crv.as_str(), self.kty.as_str()) == (CURVE, KEY_TYPE)
            && UnparsedPublicKey::new(&ED25519, x).verify(input.as_bytes(), signature).is_ok()
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    jwk: Jwk,
    typ: String,
}

/// A signed text, as it is written to a file.
#[derive(Serialize, Deserialize)]
struct FlattenedJws {
    payload: String,
    protected: String,
    signature: String,
}

/// Signs for one profile.
pub(crate) struct ProfileSigner(Ed25519KeyPair);

impl ProfileSigner {
    pub(crate) fn of(profile: &ProfileSecret) -> Self {
        Self(profile.signing_key())
    }

    /// By which others recognise this profile.
    pub(super) fn thumbprint(&self) -> Thumbprint {
        Jwk::of(&self.0).thumbprint()
    }

    /// This text, signed; `kind` says what it is (`typ`, RFC 7515, 4.1.9).
    pub(super) fn sign(&self, kind: &str, payload: &str) -> String {
        let header = Header { alg: ALGORITHM.into(), jwk: Jwk::of(&self.0), typ: kind.into() };
        let protected = BASE64URL.encode(serde_json::json!(header).to_string());
        let payload = BASE64URL.encode(payload);
        let signature = BASE64URL.encode(self.0.sign(format!("{protected}.{payload}").as_bytes()));
        serde_json::json!(FlattenedJws { payload, protected, signature }).to_string() + "\n"
    }
}

/// What a signed file turned out to be.
pub(super) struct Signed {
    pub(super) payload: Vec<u8>,
    pub(super) by: Thumbprint,
}

/// Reads a signed file of this kind. `None`: it is none, or it was changed.
pub(super) fn open(kind: &str, text: &str) -> Option<Signed> {
    let jws: FlattenedJws = serde_json::from_str(text).ok()?;
    let header: Header = serde_json::from_slice(&BASE64URL.decode(&jws.protected).ok()?).ok()?;
    if (header.alg.as_str(), header.typ.as_str()) != (ALGORITHM, kind) {
        return None;
    }
    let input = format!("{}.{}", jws.protected, jws.payload);
    if !header.jwk.accepts(&input, &BASE64URL.decode(&jws.signature).ok()?) {
        return None;
    }
    Some(Signed { payload: BASE64URL.decode(&jws.payload).ok()?, by: header.jwk.thumbprint() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(of: u8) -> ProfileSigner {
        ProfileSigner::of(&ProfileSecret::from_row([of; 32]))
    }

    /// The examples of RFC 8037: the thumbprint of A.3, the signature of A.4 and A.5.
    #[test]
    fn the_examples_of_the_standard_hold() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let jwk = Jwk { crv: "Ed25519".into(), kty: "OKP".into(), x };
        assert_eq!(jwk.thumbprint().0, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(jwk.accepts(input, &BASE64URL.decode(signature).expect("base64url")));
        assert!(!jwk.accepts(&input.replace("RX", "RY"), &BASE64URL.decode(signature).expect("base64url")));
    }

    #[test]
    fn a_signed_text_opens_as_what_it_is_and_names_who_signed_it() {
        let signed = signer(1).sign("test+json", "{\"a\":1}");
        let opened = open("test+json", &signed).expect("it is unchanged");
        assert_eq!((opened.payload.as_slice(), opened.by), (b"{\"a\":1}".as_slice(), signer(1).thumbprint()));
        assert_ne!(signer(1).thumbprint(), signer(2).thumbprint());
        assert!(open("other+json", &signed).is_none(), "another kind of file");
    }

    #[test]
    fn no_byte_of_it_can_be_changed() {
        let signed = signer(1).sign("test+json", "{\"a\":1}");
        for at in 0..signed.trim_end().len() {
            let mut bytes = signed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(open("test+json", &text).is_none(), "byte {at}");
        }
        // Another's key beside the old signature.
        let mut mixed: FlattenedJws = serde_json::from_str(&signed).expect("JSON");
        let other: FlattenedJws = serde_json::from_str(&signer(2).sign("test+json", "{\"a\":1}")).expect("JSON");
        mixed.protected = other.protected;
        assert!(open("test+json", &serde_json::json!(mixed).to_string()).is_none());
    }
}
