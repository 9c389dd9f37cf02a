//! A secret knows what it is for. What is sent to an identity platform or to the agent runtime lies in the
//! vault together with whom it may be sent to; no row and no backup can lead it elsewhere.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::provider::{Authority, ClientId};

/// Whom a secret may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recipient {
    /// The token endpoint of this issuer, for this client. Access that comes of it opens this Graph.
    App {
        issuer: String,
        client_id: String,
        /// The Graph, where it is not the issuer's own.
        graph: Option<String>,
    },
    /// The agent runtime at this base URL.
    Runtime { url: String },
}

impl Recipient {
    /// The token endpoint of this authority, for this client.
    pub fn app(authority: &Authority, client_id: &ClientId) -> Self {
        let graph = match authority {
            Authority::Entra { .. } => None,
            Authority::Custom { graph, .. } => graph.as_ref().map(|graph| graph.as_str().to_owned()),
        };
        Self::App { issuer: authority.issuer(), client_id: client_id.as_str().to_owned(), graph }
    }
}

/// A secret with whom it may be sent to.
#[derive(Clone)]
pub struct Bound {
    recipient: Recipient,
    /// Whose it is, where it is a person's.
    account: Option<String>,
    secret: SecretString,
}

/// The secret was kept for somebody else. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misdirected;

/// As it lies in the vault.
#[derive(Serialize, Deserialize)]
struct SealedSecret<'a> {
    #[serde(rename = "for")]
    recipient: Recipient,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    account: Option<String>,
    secret: std::borrow::Cow<'a, str>,
}

impl Bound {
    /// The secret, for this recipient.
    pub fn new(recipient: Recipient, secret: SecretString) -> Self {
        Self { recipient, account: None, secret }
    }

    /// The same, of one account.
    #[must_use]
    pub fn of_account(self, account: String) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Whether it may be sent there, and is nobody else's.
    pub fn is_for(&self, recipient: &Recipient, account: Option<&str>) -> bool {
        self.recipient == *recipient && self.account.as_deref() == account
    }

    /// The same of nobody, and whose it was; `None`: it was nobody's.
    pub fn without_account(self) -> Option<(Self, String)> {
        let Self { recipient, account, secret } = self;
        Some((Self { recipient, account: None, secret }, account?))
    }

    /// The secret, for this recipient alone: the only way to it.
    pub fn reveal_to(&self, recipient: &Recipient) -> Result<&SecretString, Misdirected> {
        if self.recipient == *recipient { Ok(&self.secret) } else { Err(Misdirected) }
    }

    /// Whether a text that must not show it does.
    pub fn is_in(&self, text: &str) -> bool {
        text.contains(self.secret.expose_secret())
    }

    /// As it lies in the vault.
    pub fn seal(&self) -> Result<SecretString, serde_json::Error> {
        let kept = SealedSecret {
            recipient: self.recipient.clone(),
            account: self.account.clone(),
            secret: self.secret.expose_secret().into(),
        };
        serde_json::to_string(&kept).map(SecretString::from)
    }

    /// `None`: it was not written by this app, or by a version that did not say what it was for.
    pub fn open(sealed: &SecretString) -> Option<Self> {
        let kept: SealedSecret<'_> = serde_json::from_str(sealed.expose_secret()).ok()?;
        let secret = Zeroizing::new(kept.secret.into_owned());
        Some(Self { recipient: kept.recipient, account: kept.account, secret: secret.as_str().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Cloud, GraphUrl, Tenant};

    fn entra(cloud: Cloud, tenant: &str) -> Authority {
        Authority::Entra { cloud, tenant: Tenant::checked(tenant.to_owned()) }
    }

    #[test]
    fn a_secret_is_revealed_to_its_recipient_alone() {
        let id =
            |digit: char| ClientId::checked("11111111-2222-3333-4444-555555555555".replace('1', &digit.to_string()));
        let custom = |issuer: &str, graph: &str| {
            let graph = (!graph.is_empty()).then(|| GraphUrl::checked(graph.to_owned()));
            Authority::Custom { issuer: issuer.to_owned(), graph }
        };
        let all = [
            Recipient::app(&entra(Cloud::Global, "contoso.com"), &id('1')),
            Recipient::app(&entra(Cloud::Global, "fabrikam.com"), &id('1')),
            Recipient::app(&entra(Cloud::China, "contoso.com"), &id('1')),
            Recipient::app(&entra(Cloud::Global, "contoso.com"), &id('6')),
            Recipient::app(&custom("https://a.example", ""), &id('1')),
            Recipient::app(&custom("https://a.example", "https://graph.example"), &id('1')),
            Recipient::app(&custom("https://b.example", ""), &id('1')),
            Recipient::Runtime { url: "https://a.example".into() },
        ];
        for (at, recipient) in all.iter().enumerate() {
            let bound = Bound::new(recipient.clone(), "planted \"secret\" ü".into()).of_account("t o".into());
            let bound = Bound::open(&bound.seal().expect("seals")).expect("opens");
            for (other, asks) in all.iter().enumerate() {
                let revealed = bound.reveal_to(asks);
                assert_eq!(revealed.is_ok(), at == other, "{recipient:?} to {asks:?}");
                assert!(revealed.is_err() || revealed.is_ok_and(|s| s.expose_secret() == "planted \"secret\" ü"));
            }
            assert!(bound.is_for(recipient, Some("t o")));
            assert!(!bound.is_for(recipient, Some("t p")) && !bound.is_for(recipient, None));
        }
        assert!(Bound::open(&"planted".into()).is_none(), "a text without a purpose is for nobody");
    }
}
