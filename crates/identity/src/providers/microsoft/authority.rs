//! Who signs people in, as an admin types it.

use atthene_core::address::is_safe;
use atthene_core::integrations::{AuthorityDraft, Field};
use atthene_core::provider::{Authority, GraphUrl, Tenant};
use url::{Host, Url};

use super::client::is_guid;
use super::hosts;

const ORGANIZATIONS: &str = "organizations";
const COMMON: &str = "common";
/// Personal accounts: the directory that holds all of them goes by this word, too.
const CONSUMERS: &str = "consumers";

/// A GUID, a domain, `organizations`, `consumers` or `common`.
pub(super) fn tenant(typed: &str) -> Result<Tenant, &'static str> {
    let text = typed.trim().to_lowercase();
    // A name in another script as the network writes it (RFC 5890).
    let text = if text.is_ascii() { text } else { Host::parse(&text).map_or(text, |host| host.to_string()) };
    if text.is_empty() {
        return Err("is missing. Copy the Directory (tenant) ID from the app's Overview page in Azure");
    }
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let domain = text.len() <= 253 && text.contains('.') && text.split('.').all(label);
    if is_guid(&text) || domain || [ORGANIZATIONS, CONSUMERS, COMMON].contains(&&*text) {
        return Ok(Tenant::checked(text));
    }
    Err("is neither a tenant ID (a GUID), nor a domain such as contoso.com, nor organizations, consumers or common")
}

/// Whether it names one directory, not many.
fn is_one_directory(tenant: &Tenant) -> bool {
    ![COMMON, ORGANIZATIONS].contains(&tenant.as_str())
}

/// https anywhere, http on loopback only; no path, query or user.
pub(super) fn graph_url(text: &str) -> Result<GraphUrl, &'static str> {
    let url = checked_url(text)?;
    if url.path() != "/" {
        return Err("must be the address of a host, without a path");
    }
    Ok(GraphUrl::checked(url.as_str().trim_end_matches('/').to_owned()))
}

/// A custom authority from its issuer's address, or which field is wrong.
pub(super) fn custom(issuer: &str, graph: &str) -> Result<Authority, (Field, &'static str)> {
    let url = checked_url(issuer).map_err(|problem| (Field::Issuer, problem))?;
    let graph = Some(graph.trim()).filter(|graph| !graph.is_empty());
    let graph = graph.map(graph_url).transpose().map_err(|problem| (Field::Graph, problem))?;
    Ok(Authority::Custom { issuer: url.as_str().trim_end_matches('/').to_owned(), graph })
}

/// The authority that was typed, or which field is wrong.
pub(in crate::providers) fn authority(typed: &AuthorityDraft) -> Result<Authority, (Field, &'static str)> {
    match typed {
        AuthorityDraft::Entra { cloud, tenant: typed } => tenant(typed)
            .map(|tenant| Authority::Entra { cloud: *cloud, tenant })
            .map_err(|problem| (Field::Tenant, problem)),
        AuthorityDraft::Custom { issuer, graph } => custom(issuer, graph),
    }
}

/// The same for the one directory that an account belongs to. Tokens of personal accounts that signed in
/// through `common` are renewed there only (AADSTS70000).
pub(super) fn pinned(authority: &Authority, directory: &str) -> Authority {
    match (authority, tenant(directory)) {
        (Authority::Entra { cloud, tenant }, Ok(pinned)) if !is_one_directory(tenant) && is_guid(pinned.as_str()) => {
            Authority::Entra { cloud: *cloud, tenant: pinned }
        }
        _ => authority.clone(),
    }
}

/// The link with which an administrator grants scopes to everyone in the directory.
/// `common` names no directory, so the administrator's own is taken. Personal accounts have none.
pub(in crate::providers) fn consent_link(
    authority: &Authority,
    client_id: &str,
    scopes: &[String],
    redirect_uri: &str,
) -> Option<String> {
    let Authority::Entra { cloud, tenant } = authority else { return None };
    if tenant.as_str() == CONSUMERS {
        return None;
    }
    let tenant = if is_one_directory(tenant) { tenant.as_str() } else { ORGANIZATIONS };
    let mut url = Url::parse(&format!("https://{}/{tenant}/v2.0/adminconsent", cloud.login_host())).ok()?;
    let prefix = format!("https://{}/", hosts::graph(*cloud));
    let full: Vec<String> = scopes.iter().map(|scope| format!("{prefix}{scope}")).collect();
    url.query_pairs_mut()
        .append_pair("client_id", client_id)
        .append_pair("scope", &full.join(" "))
        .append_pair("redirect_uri", redirect_uri);
    Some(url.into())
}

fn checked_url(text: &str) -> Result<Url, &'static str> {
    let Ok(url) = Url::parse(text.trim()) else {
        return Err("must be a full address, such as https://login.example.com/tenant/v2.0");
    };
    if !is_safe(&url) {
        return Err("must start with https:// (http:// is accepted on this machine only)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use atthene_core::provider::Cloud;

    use super::*;

    #[test]
    fn a_tenant_is_an_id_a_domain_or_one_of_three_words() {
        for text in [
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            " Contoso.onmicrosoft.com ",
            "contoso.com",
            "common",
            "Organizations",
            "consumers",
        ] {
            assert!(tenant(text).is_ok(), "{text}");
        }
        for text in ["", "contoso", "consumer", "a b.com", "contoso.com/evil", "-a.com", "a..b", "common.", "x?y.com"] {
            assert!(tenant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_many_directories_is_renewed_at_the_accounts_own() {
        const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
        let of = |named| Authority::Entra { cloud: Cloud::Global, tenant: tenant(named).expect("a tenant") };
        for many in ["common", "organizations"] {
            assert_eq!(pinned(&of(many), PERSONAL), of(PERSONAL), "{many}");
            assert_eq!(pinned(&of(many), "evil.example"), of(many), "only an id is believed");
        }
        for one in ["consumers", "contoso.com", "11111111-2222-3333-4444-555555555555"] {
            assert_eq!(pinned(&of(one), PERSONAL), of(one), "{one}");
        }
        let consumers = of("consumers");
        assert_eq!(consumers.issuer(), "https://login.microsoftonline.com/consumers/v2.0");
        assert_eq!(consent_link(&consumers, "id", &["Mail.Read".into()], "http://localhost"), None);
    }

    #[test]
    fn a_custom_authority_is_https_or_on_this_machine() {
        for issuer in [
            "https://login.example.com/t/v2.0/",
            "http://localhost:4005/t/v2.0",
            "http://[::1]:9000",
            "http://127.0.0.1",
        ] {
            assert!(custom(issuer, "").is_ok(), "{issuer}");
        }
        for issuer in [
            "login.example.com",
            "http://login.example.com",
            "http://localhost.evil.example",
            "https://u:p@login.example.com",
            "https://login.example.com?x=1",
            "https://login.example.com/#f",
            "ftp://login.example.com",
            "file:///etc/passwd",
        ] {
            assert!(matches!(custom(issuer, ""), Err((Field::Issuer, _))), "{issuer}");
        }
        assert!(matches!(custom("https://a.example", "https://a.example/v1.0"), Err((Field::Graph, _))));
    }

    #[test]
    fn consent_is_asked_for_exactly_these_scopes_in_one_directory() {
        let authority = Authority::Entra { cloud: Cloud::Global, tenant: tenant("common").expect("a tenant") };
        let link = consent_link(&authority, "id", &["Mail.Read".into()], "http://localhost/oauth/x/callback");
        assert_eq!(
            link.as_deref(),
            Some(
                "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=id\
                 &scope=https%3A%2F%2Fgraph.microsoft.com%2FMail.Read\
                 &redirect_uri=http%3A%2F%2Flocalhost%2Foauth%2Fx%2Fcallback"
            )
        );
    }
}
