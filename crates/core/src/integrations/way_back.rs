//! How the answer of a sign-in comes back to the app. Entra decides by the redirect URI
//! whether a client is public (no secret may be sent) or confidential (one must be).

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use url::Url;

use super::IntegrationId;
use crate::identity::IDENTIFIER;

/// One of three ways back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum WayBack {
    /// The browser calls this machine. With a secret or without.
    Loopback,
    /// The browser opens the app through its own scheme. Always public.
    DeepLink,
    /// A page of the company passes the answer on to the deep link. Always confidential.
    Page {
        /// The page's https address.
        url: String,
    },
}

/// Where a redirect URI is registered in the Azure portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Platform {
    /// "Web": a confidential client.
    Web,
    /// "Mobile and desktop applications": a public client.
    MobileAndDesktop,
}

/// The link that brings an answer for this integration, and for no other: an authority can't pass an
/// attempt of its own off as one of another authority (RFC 9700, 4.4.2.2).
pub fn deep_link(id: &IntegrationId) -> String {
    format!("{IDENTIFIER}://oauth/{}/callback", id.as_str())
}

impl WayBack {
    /// The exact URI to register. Entra ignores the port of `localhost`, and compares the
    /// path letter by letter.
    pub fn redirect_uri(&self, id: &IntegrationId) -> String {
        match self {
            Self::Loopback => format!("http://localhost/oauth/{}/callback", id.as_str()),
            Self::DeepLink => deep_link(id),
            Self::Page { url } => url.clone(),
        }
    }

    /// Where to register it.
    pub fn platform(&self, has_secret: bool) -> Platform {
        match self {
            Self::Page { .. } => Platform::Web,
            Self::Loopback if has_secret => Platform::Web,
            Self::Loopback | Self::DeepLink => Platform::MobileAndDesktop,
        }
    }

    /// Why this way can't be gone with or without a secret.
    pub(super) fn problem(&self, has_secret: bool) -> Option<&'static str> {
        match self {
            Self::DeepLink if has_secret => Some(
                "can't be the deep link: Microsoft refuses a client secret there. Choose loopback, or remove the secret",
            ),
            Self::Page { .. } if !has_secret => Some(
                "can't be your own page without a client secret: Microsoft registers it under Web, which needs one",
            ),
            _ => None,
        }
    }

    pub(super) fn page(url: &str) -> Result<Self, &'static str> {
        const LONGEST: usize = 256;
        let url = url.trim();
        let parsed = Url::parse(url).ok().filter(|parsed| parsed.scheme() == "https" && parsed.has_host());
        let Some(parsed) = parsed else {
            return Err("must start with https://, as in https://apps.example.com/atthene/callback.html");
        };
        if !parsed.username().is_empty() || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err("must be an address without user name, query and fragment");
        }
        // Entra's own limits on redirect URIs.
        if url.len() > LONGEST || url.contains(['!', '$', '\'', '(', ')', ',', ';', '*']) {
            return Err("is longer than 256 characters or holds one of ! $ ' ( ) , ; * which Microsoft refuses");
        }
        // As typed: the path is compared letter by letter.
        Ok(Self::Page { url: url.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_its_uri_and_platform() {
        let id = IntegrationId::generate(crate::provider::Provider::Microsoft);
        let page = WayBack::page("https://apps.example.com/cb.html").expect("a page");
        assert!(WayBack::Loopback.redirect_uri(&id).starts_with("http://localhost/oauth/microsoft-"));
        assert_eq!(WayBack::DeepLink.redirect_uri(&id), format!("{IDENTIFIER}://oauth/{}/callback", id.as_str()));
        assert_eq!(page.redirect_uri(&id), "https://apps.example.com/cb.html");
        assert_eq!(WayBack::Loopback.platform(true), Platform::Web);
        assert_eq!(WayBack::Loopback.platform(false), Platform::MobileAndDesktop);
        assert_eq!(WayBack::DeepLink.platform(false), Platform::MobileAndDesktop);
        assert!(WayBack::DeepLink.problem(true).is_some() && page.problem(false).is_some());
        assert!(WayBack::DeepLink.problem(false).is_none() && page.problem(true).is_none());
    }

    #[test]
    fn a_page_is_https_and_plain() {
        for url in [
            "http://apps.example.com/",
            "apps.example.com",
            "https://a.example/?x",
            "https://a.example/(x)",
            "https://u@a.example/",
        ] {
            assert!(WayBack::page(url).is_err(), "{url}");
        }
    }
}
