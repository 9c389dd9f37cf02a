//! Pages of Microsoft's that people are led to.

use atthene_core::provider::{ClientId, Cloud};
use url::Url;

use super::hosts;

/// The link, where it may be opened.
pub(crate) fn own_page(link: &str) -> Option<Url> {
    Url::parse(link).ok().filter(is_own_page)
}

/// Where people see and withdraw what they granted to apps.
const GRANTED_APPS: &str = "myapplications.microsoft.com";

/// Whether a link may be opened in the person's browser: Microsoft's own sign-in and portal
/// pages, over https.
fn is_own_page(link: &Url) -> bool {
    link.scheme() == "https"
        && link.port().is_none()
        && link.username().is_empty()
        && link.password().is_none()
        && link.host_str().is_some_and(|host| {
            host == GRANTED_APPS
                || Cloud::ALL.iter().any(|cloud| host == cloud.login_host() || host == hosts::portal(*cloud))
        })
}

/// The page of the Azure portal where the redirect URIs of an app are registered, or the
/// one that makes a new app.
pub(super) fn portal_page(cloud: Cloud, client_id: Option<&ClientId>) -> String {
    let base = format!("https://{}/#view/Microsoft_AAD_RegisteredApps", hosts::portal(cloud));
    match client_id {
        Some(id) => format!("{base}/ApplicationMenuBlade/~/Authentication/appId/{}", id.as_str()),
        None => format!("{base}/CreateApplicationBlade/isMSAApp~/false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_microsofts_own_pages_are_opened() {
        let own = |link: &str| Url::parse(link).is_ok_and(|link| is_own_page(&link));
        for cloud in Cloud::ALL {
            assert!(own(&portal_page(cloud, None)), "{cloud:?}");
        }
        assert!(own("https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=x"));
        for link in [
            "http://portal.azure.com/",
            "https://portal.azure.com.evil.example/",
            "https://portal.azure.com@evil.example/",
            "https://user@portal.azure.com/",
            "https://portal.azure.com:8443/",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert!(!own(link), "{link}");
        }
    }
}
