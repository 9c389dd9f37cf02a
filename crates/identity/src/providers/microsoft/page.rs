//! The page to sign in on (RFC 6749, 4.1.1; RFC 7636, 4.3), with what Entra wants to be told besides.

use atthene_core::port::{Page, PageRequest};
use oauth2::{AuthUrl, CsrfToken, EndpointNotSet, EndpointSet, PkceCodeChallenge, RedirectUrl, Scope};

use super::claims::claims_parameter;
use super::scopes::AUTOMATIC_SCOPES;
use crate::oauth::token::OAuthClient;

pub(in crate::providers) fn page(request: &PageRequest<'_>) -> Result<Page, &'static str> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let nonce = CsrfToken::new_random_len(24).into_secret();
    let redirect = RedirectUrl::new(request.redirect_uri.to_owned()).map_err(|_| "its redirect is no address")?;
    let client: OAuthClient<EndpointSet, EndpointNotSet> =
        OAuthClient::new(oauth2::ClientId::new(request.client_id.as_str().to_owned()))
            .set_auth_uri(AuthUrl::from_url(request.found.authorization_endpoint.clone()))
            .set_redirect_uri(redirect);
    let mut page = client
        .authorize_url(|| CsrfToken::new_random_len(32))
        .add_scopes(AUTOMATIC_SCOPES.iter().map(|&scope| Scope::new(scope.to_owned())))
        .add_scopes(request.scopes.iter().map(|scope| Scope::new(scope.clone())))
        .add_extra_param("response_mode", if request.by_form { "form_post" } else { "query" })
        .add_extra_param("nonce", nonce.clone())
        .set_pkce_challenge(challenge);
    page = match request.account {
        Some(account) => {
            let domain = account.label.rsplit_once('@').map(|(_, domain)| domain.to_owned());
            let page = page.add_extra_param("login_hint", account.label.clone());
            domain.into_iter().fold(page, |page, domain| page.add_extra_param("domain_hint", domain))
        }
        None => page.add_extra_param("prompt", "select_account"),
    };
    if let Some(claims) = claims_parameter(&request.found.authority, request.challenge) {
        page = page.add_extra_param("claims", claims);
    }
    let (link, state) = page.url();
    Ok(Page { link, state: state.into_secret().into(), verifier: verifier.into_secret().into(), nonce })
}
