//! The client ID and the client secret of an app registration, as people paste them.

use atthene_core::provider::ClientId;
use secrecy::{ExposeSecret, SecretString};

/// The Application (client) ID, a GUID in small letters, from what was pasted: spaces, quotes and braces around
/// it and invisible characters anywhere are dropped, since Entra itself trims nothing.
pub(in crate::providers) fn client_id(pasted: &str) -> Result<ClientId, &'static str> {
    let visible: String = pasted.chars().filter(|c| !is_invisible(*c)).collect();
    let bare = visible.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '{' | '}' | '`'));
    if bare.is_empty() {
        return Err("is missing. Copy the Application (client) ID from the app's Overview page in Azure");
    }
    if !is_guid(bare) {
        return Err("is not a GUID such as 11111111-2222-3333-4444-555555555555. Copy the Application (client) ID");
    }
    Ok(ClientId::checked(bare.to_ascii_lowercase()))
}

/// What is wrong with a client secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretProblem {
    /// It is a GUID: the ID of the secret, not the secret.
    IsItsId,
    /// It holds a space or a character that can't be typed.
    Unclean,
    /// Longer than any secret that Azure makes.
    TooLong,
    /// Nothing was typed.
    Empty,
}

impl SecretProblem {
    /// In words, after "The client secret …".
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::IsItsId => {
                "is a Secret ID. Copy the text in the column Value instead; Azure shows it only right after the secret was made"
            }
            Self::Unclean => "holds a space or an invisible character inside. Copy it again from the column Value",
            Self::TooLong => "is longer than any secret that Azure makes (1,000 characters)",
            Self::Empty => "is empty",
        }
    }
}

const LONGEST_SECRET: usize = 1000;

/// The secret without the spaces that came along when it was pasted.
pub(super) fn checked_secret(secret: &SecretString) -> Result<SecretString, SecretProblem> {
    let text = secret.expose_secret().trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    if text.is_empty() {
        return Err(SecretProblem::Empty);
    }
    if is_guid(text) {
        return Err(SecretProblem::IsItsId);
    }
    if text.len() > LONGEST_SECRET {
        return Err(SecretProblem::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretProblem::Unclean);
    }
    Ok(text.into())
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Characters that travel along with copied text and can't be seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "11111111-aaaa-3333-4444-555555555555";

    #[test]
    fn a_client_id_is_freed_of_what_was_pasted_along() {
        for pasted in [
            GUID.to_owned(),
            format!("  {GUID}\n"),
            format!("\"{GUID}\""),
            format!("'{}'", GUID.to_uppercase()),
            format!("{{{GUID}}}"),
            format!("\u{feff}{GUID}\u{200b}"),
            GUID.replace("aaaa", "aa\u{200b}aa"),
        ] {
            assert_eq!(client_id(&pasted).expect("a client ID").as_str(), GUID, "{pasted:?}");
        }
    }

    #[test]
    fn anything_else_is_no_client_id() {
        for text in [
            "",
            "  ",
            "contoso",
            &GUID[1..],
            &format!("{GUID}0"),
            &GUID.replace('-', " "),
            &GUID.replace('a', "g"),
            &format!("{GUID} {GUID}"),
            &"x".repeat(10_000),
        ] {
            assert!(client_id(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_id_is_told_from_a_secret() {
        let checked =
            |text: &str| checked_secret(&SecretString::from(text)).map(|secret| secret.expose_secret().to_owned());
        assert_eq!(checked(" planted~secret.Value \n").as_deref(), Ok("planted~secret.Value"));
        assert_eq!(checked(&format!(" {GUID} ")), Err(SecretProblem::IsItsId));
        assert_eq!(checked("two words"), Err(SecretProblem::Unclean));
        assert_eq!(checked("zero\u{200b}width"), Err(SecretProblem::Unclean));
        assert_eq!(checked(&"x".repeat(1001)), Err(SecretProblem::TooLong));
        assert_eq!(checked(" "), Err(SecretProblem::Empty));
    }
}
