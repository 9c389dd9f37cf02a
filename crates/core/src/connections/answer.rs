//! The answer of a sign-in, as it comes back in a query or a form (RFC 6749, 4.1.2). It may
//! come from anybody; without a live `state` it changes nothing.

use secrecy::SecretString;
use url::Url;

use crate::identity::IDENTIFIER;
use crate::integrations::IntegrationId;

/// A read answer.
#[derive(Debug)]
pub struct Answer {
    pub(super) state: SecretString,
    pub(super) outcome: AnswerContent,
    /// Who says that it answers (RFC 9207).
    pub(super) issuer: Option<String>,
    /// Whether it came as a form, so that its code stands in no address.
    pub(super) is_posted: bool,
}

#[derive(Debug)]
pub(super) enum AnswerContent {
    Code(SecretString),
    Error { error: String, description: Option<String> },
}

/// Why something is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerProblem {
    /// Not our link.
    #[error("it is not a link of this app")]
    NotOurs,
    #[error("it is too long")]
    TooLong,
    /// A parameter twice: which one would count?
    #[error("it names a parameter twice")]
    Twice,
    /// No `state`, or neither code nor error.
    #[error("it is incomplete")]
    Incomplete,
}

/// Entra's codes are about 1 KiB, and a form repeats them once.
const LONGEST: usize = 16 * 1024;

impl Answer {
    /// From the deep link, with the integration whose link it is. `Ok(None)`: it only raises the window.
    pub fn from_link(link: &str) -> Result<Option<(Self, IntegrationId)>, AnswerProblem> {
        if link.len() > LONGEST {
            return Err(AnswerProblem::TooLong);
        }
        let url = Url::parse(link).map_err(|_| AnswerProblem::NotOurs)?;
        let ours = url.scheme() == IDENTIFIER && url.username().is_empty() && url.password().is_none();
        let path = url.path();
        let integration = path.strip_prefix('/').and_then(|path| path.strip_suffix("/callback"));
        let integration = integration.and_then(|id| IntegrationId::try_from(id.to_owned()).ok());
        match (ours, url.host_str(), path) {
            (true, Some("oauth"), _) => {
                let integration = integration.ok_or(AnswerProblem::NotOurs)?;
                Self::from_query(url.query().unwrap_or_default()).map(|answer| Some((answer, integration)))
            }
            (true, Some("open"), "" | "/") if url.query().is_none() => Ok(None),
            _ => Err(AnswerProblem::NotOurs),
        }
    }

    /// From an `application/x-www-form-urlencoded` body.
    pub fn from_form(text: &str) -> Result<Self, AnswerProblem> {
        Self::read(text, true)
    }

    /// From the query of an address.
    pub fn from_query(text: &str) -> Result<Self, AnswerProblem> {
        Self::read(text, false)
    }

    fn read(text: &str, is_posted: bool) -> Result<Self, AnswerProblem> {
        if text.len() > LONGEST {
            return Err(AnswerProblem::TooLong);
        }
        let (mut state, mut code, mut error, mut description, mut issuer) = (None, None, None, None, None);
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let slot = match &*name {
                "state" => &mut state,
                "code" => &mut code,
                "error" => &mut error,
                "error_description" => &mut description,
                "iss" => &mut issuer,
                // Entra adds its own (session_state), and may add more.
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(AnswerProblem::Twice);
            }
        }
        let full = |text: Option<String>| text.filter(|text| !text.is_empty());
        let state = full(state).ok_or(AnswerProblem::Incomplete)?.into();
        let outcome = match (full(error), full(code)) {
            (Some(error), _) => AnswerContent::Error { error, description: full(description) },
            (None, Some(code)) => AnswerContent::Code(code.into()),
            (None, None) => return Err(AnswerProblem::Incomplete),
        };
        Ok(Self { state, outcome, issuer: full(issuer), is_posted })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read_from_link_and_form() {
        let link = format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?code=c&state=s&session_state=x");
        let (answer, integration) = Answer::from_link(&link).expect("an answer").expect("not only a raise");
        assert!(matches!(answer.outcome, AnswerContent::Code(_)));
        assert_eq!(integration.as_str(), "microsoft-abcdef");
        assert!(matches!(Answer::from_link(&format!("{IDENTIFIER}://open")), Ok(None)));
        let refused = Answer::from_form("error=access_denied&error_description=AADSTS65004%3A+x&state=s&code=c");
        assert!(matches!(refused.expect("an answer").outcome, AnswerContent::Error { .. }));
    }

    #[test]
    fn what_is_not_an_answer_is_refused() {
        for (link, problem) in [
            ("https://evil.example/oauth/callback?code=c&state=s".to_owned(), AnswerProblem::NotOurs),
            (format!("{IDENTIFIER}://oauth/callback?code=c&state=s"), AnswerProblem::NotOurs),
            (format!("{IDENTIFIER}://oauth/microsoft-abcdef/x/callback?code=c&state=s"), AnswerProblem::NotOurs),
            (format!("{IDENTIFIER}://oauth@evil/callback?code=c&state=s"), AnswerProblem::NotOurs),
            (format!("{IDENTIFIER}://oauth/callback/../x?code=c&state=s"), AnswerProblem::NotOurs),
            (format!("{IDENTIFIER}://open?state=s"), AnswerProblem::NotOurs),
            (format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?code=c"), AnswerProblem::Incomplete),
            (format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?state=s"), AnswerProblem::Incomplete),
            (format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?state=&code=c"), AnswerProblem::Incomplete),
            (format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?state=s&state=t&code=c"), AnswerProblem::Twice),
            (format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?state=s&code=c&code=d"), AnswerProblem::Twice),
            (
                format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?state={}", "s".repeat(LONGEST)),
                AnswerProblem::TooLong,
            ),
        ] {
            assert_eq!(Answer::from_link(&link).map(|answer| answer.is_some()), Err(problem), "{link:.80}");
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_parser(text in "\\PC{0,200}", tail in "[a-z=&%0-9/?#@:.]{0,200}") {
            let _ = Answer::from_link(&text);
            let _ = Answer::from_link(&format!("{IDENTIFIER}:{tail}"));
            let _ = Answer::from_link(&format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?{tail}"));
            let _ = Answer::from_form(&text);
        }
    }
}
