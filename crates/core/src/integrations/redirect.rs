//! How the answer of a sign-in comes back to the app. What of it a provider takes is the provider's own matter
//! ([`crate::port::Identity::redirect`]).

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use url::Url;

use super::IntegrationId;
use crate::identity::IDENTIFIER;

/// One of three redirects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum Redirect {
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

impl Redirect {
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

    pub(super) fn page(url: &str) -> Result<Self, &'static str> {
        let url = url.trim();
        let parsed = Url::parse(url).ok().filter(|parsed| parsed.scheme() == "https" && parsed.has_host());
        let Some(parsed) = parsed else {
            return Err("must start with https://, as in https://apps.example.com/atthene/callback.html");
        };
        if !parsed.username().is_empty() || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err("must be an address without user name, query and fragment");
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
        let page = Redirect::page("https://apps.example.com/cb.html").expect("a page");
        assert!(Redirect::Loopback.redirect_uri(&id).starts_with("http://localhost/oauth/microsoft-"));
        assert_eq!(Redirect::DeepLink.redirect_uri(&id), format!("{IDENTIFIER}://oauth/{}/callback", id.as_str()));
        assert_eq!(page.redirect_uri(&id), "https://apps.example.com/cb.html");
        assert_eq!(Redirect::Loopback.platform(true), Platform::Web);
        assert_eq!(Redirect::Loopback.platform(false), Platform::MobileAndDesktop);
        assert_eq!(Redirect::DeepLink.platform(false), Platform::MobileAndDesktop);
    }

    #[test]
    fn a_page_is_https_and_plain() {
        for url in ["http://apps.example.com/", "apps.example.com", "https://a.example/?x", "https://u@a.example/"] {
            assert!(Redirect::page(url).is_err(), "{url}");
        }
    }
}
