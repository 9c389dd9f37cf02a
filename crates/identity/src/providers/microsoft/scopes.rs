//! Scopes: the catalogue to pick from, and what there is to say about those that were picked.

use atthene_core::provider::{Bundle, Catalogue, Cloud, ScopeInfo, ScopeNote, ScopeToolkit};

use super::hosts;
use super::scope_table::TABLE;

/// Asked for by every sign-in, whether picked or not: to be told who signed in, and to stay
/// signed in.
pub(super) const AUTOMATIC_SCOPES: [&str; 3] = ["openid", "profile", "offline_access"];

/// Scopes that one integration may hold. All of them travel in the address of the sign-in
/// page.
pub(super) const MOST_SCOPES: usize = 100;
const LONGEST_SCOPE: usize = 128;

const BUNDLES: &[Bundle] = &[
    Bundle { name: "Outlook read", scopes: &["User.Read", "Mail.Read", "Calendars.Read"] },
    Bundle {
        name: "Outlook act",
        scopes: &["User.Read", "Mail.Read", "Calendars.Read", "Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite"],
    },
    Bundle { name: "Teams read", scopes: &["User.Read", "Team.ReadBasic.All", "Channel.ReadBasic.All", "Chat.Read"] },
    Bundle {
        name: "Teams act",
        scopes: &[
            "User.Read",
            "Team.ReadBasic.All",
            "Channel.ReadBasic.All",
            "Chat.Read",
            "ChatMessage.Send",
            "ChannelMessage.Send",
        ],
    },
];

/// The catalogue of this version.
pub(crate) fn catalogue() -> Catalogue {
    let scopes = TABLE.iter().map(|&(name, toolkit, consent, lets, least_for, _)| ScopeInfo {
        name,
        toolkit,
        consent,
        lets,
        least_for,
    });
    Catalogue { scopes: scopes.collect(), bundles: BUNDLES, automatic: &AUTOMATIC_SCOPES }
}

/// What every built-in integration asks for: both toolkits, to read and to act.
pub(super) fn graph_scopes() -> Vec<String> {
    cleaned(BUNDLES.iter().flat_map(|bundle| bundle.scopes.iter().copied()))
}

/// Of the picked scopes, those that one toolkit needs: its own, the account's, and what the
/// catalogue does not know.
pub(super) fn toolkit_scopes(picked: &[String], toolkit: ScopeToolkit) -> Vec<String> {
    let others = |scope: &&String| {
        let known = TABLE.iter().find(|row| row.0 == **scope).map(|row| row.1);
        known.is_none_or(|known| known == toolkit || known == ScopeToolkit::Account)
    };
    picked.iter().filter(others).cloned().collect()
}

/// Looks a scope up.
pub(in crate::providers) fn note(scope: &str) -> ScopeNote {
    let Some(&(_, _, consent, lets, _, narrower)) = TABLE.iter().find(|row| row.0.eq_ignore_ascii_case(scope)) else {
        return ScopeNote { scope: scope.to_owned(), lets: None, consent: None, narrower: None, meant: meant(scope) };
    };
    let narrower = catalogue().scopes.into_iter().find(|info| info.name == narrower);
    ScopeNote { scope: scope.to_owned(), lets: Some(lets), consent: Some(consent), narrower, meant: None }
}

/// The known scope that looks most alike, where one looks alike.
fn meant(scope: &str) -> Option<&'static str> {
    const ALIKE: f64 = 0.82;
    let small = scope.to_ascii_lowercase();
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&small, &name.to_ascii_lowercase());
    let best = TABLE.iter().map(|row| (likeness(row.0), row.0)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// The scopes as they are kept: split at spaces and commas, each once, in the catalogue's
/// spelling, without a Graph prefix and without those that are added by themselves.
pub(in crate::providers) fn cleaned_scopes(picked: &[String]) -> Result<Vec<String>, String> {
    let parts = picked.iter().flat_map(|text| text.split(|c: char| c.is_whitespace() || c == ','));
    let scopes = cleaned(parts);
    if scopes.is_empty() {
        return Err("are missing. Pick at least one, such as User.Read".into());
    }
    if scopes.len() > MOST_SCOPES {
        return Err(format!("are too many ({}). Keep {MOST_SCOPES} at most", scopes.len()));
    }
    for scope in &scopes {
        if scope.len() > LONGEST_SCOPE || !scope.bytes().all(is_scope_byte) {
            let shown: String = scope.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("hold “{shown}”, which can't be a scope"));
        }
        if scope.contains("://") {
            return Err(format!("hold {scope}, which belongs to another API than Microsoft Graph"));
        }
        if scope.eq_ignore_ascii_case(".default") {
            return Err("hold .default, which stands for all permissions of the registration. Name each scope".into());
        }
    }
    Ok(scopes)
}

fn cleaned<'a>(parts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for part in parts {
        let bare = Cloud::ALL
            .iter()
            .find_map(|cloud| part.strip_prefix("https://")?.strip_prefix(hosts::graph(*cloud))?.strip_prefix('/'))
            .unwrap_or(part);
        let known = TABLE.iter().map(|row| row.0).find(|name| name.eq_ignore_ascii_case(bare)).unwrap_or(bare);
        let automatic = AUTOMATIC_SCOPES.iter().any(|scope| scope.eq_ignore_ascii_case(known));
        if !known.is_empty() && !automatic && !scopes.iter().any(|scope| scope.eq_ignore_ascii_case(known)) {
            scopes.push(known.to_owned());
        }
    }
    scopes
}

/// RFC 6749, 3.3.
fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use atthene_core::provider::Consent;

    use super::*;

    #[test]
    fn the_catalogue_refers_to_itself_only() {
        let names: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
        for (name, .., narrower) in TABLE {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
            assert!(narrower.is_empty() || names.contains(narrower), "{name}: {narrower}");
        }
        for bundle in BUNDLES {
            assert!(bundle.scopes.iter().all(|scope| names.contains(scope)), "{}", bundle.name);
        }
    }

    #[test]
    fn what_is_pasted_becomes_a_list() {
        let clean = |texts: &[&str]| cleaned_scopes(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        assert_eq!(
            clean(&["mail.read,  Mail.Read offline_access", "https://graph.microsoft.com/Chat.Read\nCustom.Thing"])
                .expect("scopes"),
            ["Mail.Read", "Chat.Read", "Custom.Thing"]
        );
        for wrong in
            ["", "openid profile", "Mail\"Read", "api://other/Thing", ".default", "Mail.R\u{200b}ead", &"x".repeat(129)]
        {
            assert!(clean(&[wrong]).is_err(), "{wrong}");
        }
        let four_hundred: Vec<String> = (0..400).map(|at| format!("Thing.{at}")).collect();
        assert!(cleaned_scopes(&four_hundred).is_err());
    }

    #[test]
    fn a_misspelt_scope_gets_a_hint_and_a_wide_one_a_narrower() {
        assert_eq!(note("Mail.Raed").meant, Some("Mail.Read"));
        assert_eq!(note("Calendar.ReadWrite").meant, Some("Calendars.ReadWrite"));
        assert_eq!(note("Completely.Different").meant, None);
        assert_eq!(note("Mail.ReadWrite").narrower.map(|info| info.name), Some("Mail.Read"));
        assert_eq!(note("ChannelMessage.Read.All").consent, Some(Consent::Admin));
        assert_eq!(note("Mail.Read").consent, Some(Consent::Blocked));
    }
}
