//! What Entra means when it refuses. `error` and `suberror` decide; the AADSTS number only picks the help text.

use std::time::Duration;

use atthene_core::names::is_misleading;
use atthene_core::port::Meaning;
use atthene_core::provider::AuthorityFailure;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::help::{Help, Stage, help};
use crate::oauth::{ErrorBody, lenient};

/// After too many same requests the authority wants five minutes of silence.
const LOOP_PAUSE: Duration = Duration::from_mins(5);
const LOOP: u32 = 50196;

/// What Entra adds to a refusal.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EntraDetail {
    /// A finer class of the error.
    #[serde(deserialize_with = "lenient::text")]
    suberror: Option<String>,
    /// AADSTS numbers, the first of which is the reason.
    #[serde(deserialize_with = "numbers")]
    error_codes: Vec<u32>,
    /// What Microsoft's support asks for.
    #[serde(deserialize_with = "lenient::text")]
    correlation_id: Option<String>,
    /// What the next sign-in has to ask for, as JSON.
    #[serde(deserialize_with = "lenient::text")]
    claims: Option<String>,
}

impl EntraDetail {
    fn of(body: &ErrorBody) -> Self {
        serde_json::from_value(Value::Object(body.added.clone())).unwrap_or_default()
    }
}

/// Codes that are no numbers must not hide the error that they belong to.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let values = lenient::values(Option::deserialize(deserializer)?);
    Ok(values.iter().filter_map(lenient::number_in).filter_map(|number| u32::try_from(number).ok()).collect())
}

/// What a refusal means.
pub(crate) trait EntraRefusal {
    /// The AADSTS number, where there is one.
    fn aadsts(&self) -> Option<u32>;
    /// In words that a person can act on.
    fn failure(&self, stage: Stage) -> AuthorityFailure;
    /// What the next sign-in has to ask for, as a JSON object.
    fn claims(&self) -> Option<String>;
    /// For what was signed in.
    fn meaning(&self) -> Meaning;
    /// Whether a secret was refused because the client is public. Nothing was
    /// spent, so the same call may be made once without it.
    fn wants_no_secret(&self) -> bool;
}

impl EntraRefusal for ErrorBody {
    fn aadsts(&self) -> Option<u32> {
        EntraDetail::of(self).error_codes.first().copied().or_else(|| {
            let (_, rest) = self.error_description.as_deref()?.split_once("AADSTS")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
    }

    fn claims(&self) -> Option<String> {
        const LONGEST: usize = 8 * 1024;
        let claims = EntraDetail::of(self).claims.filter(|claims| claims.len() <= LONGEST)?;
        serde_json::from_str::<Value>(&claims).is_ok_and(|claims| claims.is_object()).then_some(claims)
    }

    fn failure(&self, stage: Stage) -> AuthorityFailure {
        let aadsts = self.aadsts();
        let help = help(aadsts, &self.error, stage);
        let id = |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        AuthorityFailure {
            what: help.what.to_owned(),
            fix: help.fix.to_owned(),
            aadsts,
            correlation_id: EntraDetail::of(self).correlation_id.filter(id),
            said: said(self),
            may_pass: matches!(self.meaning(), Meaning::Wait(_)),
        }
    }

    /// Of the numbers only the one decides that Entra hides behind another error, so that a pause is not taken
    /// for a lost sign-in.
    fn meaning(&self) -> Meaning {
        if self.aadsts() == Some(LOOP) {
            return Meaning::Wait(Some(LOOP_PAUSE));
        }
        let suberror = EntraDetail::of(self).suberror;
        match (self.error.as_str(), suberror.as_deref().unwrap_or_default()) {
            ("temporarily_unavailable" | "server_error" | "slow_down", _) => {
                Meaning::Wait(Some(Duration::from_mins(1)))
            }
            ("invalid_grant" | "interaction_required" | "login_required" | "consent_required", suberror) => {
                match suberror {
                    "message_only"
                    | "protection_policy_required"
                    | "device_authentication_failed"
                    | "client_mismatch" => Meaning::Failing,
                    "bad_token" | "token_expired" => Meaning::SignIn { forget: true },
                    _ => Meaning::SignIn { forget: false },
                }
            }
            _ => Meaning::Failing,
        }
    }

    fn wants_no_secret(&self) -> bool {
        self.aadsts() == Some(700_025)
    }
}

/// What the authority said, without the number before it and the identifiers after it.
fn said(body: &ErrorBody) -> Option<String> {
    const LONGEST: usize = 300;
    let text = body.error_description.as_deref()?;
    let text = text.split("Trace ID:").next().unwrap_or(text);
    let text = text
        .strip_prefix("AADSTS")
        .map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(':'));
    let clean: String = text.chars().map(|c| if is_misleading(c) { ' ' } else { c }).take(LONGEST).collect();
    Some(clean.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Help for a code as a person reads it off Microsoft's page, with or without its letters.
pub(crate) fn explain_code(typed: &str) -> AuthorityFailure {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let number = digits.parse().ok();
    let Help { what, fix } = match number {
        Some(_) => help(number, "", Stage::SignIn),
        None => Help { what: "This is no code of Microsoft's", fix: "It looks like AADSTS50011, or only the number." },
    };
    AuthorityFailure { aadsts: number, ..AuthorityFailure::own(what, fix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(json: &str) -> ErrorBody {
        serde_json::from_str(json).expect("an error body")
    }

    /// Shapes as recorded from Entra over the years, and from others.
    #[test]
    fn every_recorded_shape_is_read() {
        let cases = [
            // Spaces before the identifiers (2023 and later).
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Text for app 'id'. Trace ID: t Correlation ID: c Timestamp: 2025-03-10 20:12:22Z","error_codes":[7000215],"timestamp":"2025-03-10 20:12:22Z","trace_id":"t","correlation_id":"0a1b2c3d-0000-1111-2222-333344445555","error_uri":"https://login.microsoftonline.com/error?code=7000215"}"#,
                ("invalid_client", None, Some(7_000_215), Some("Text for app 'id'.")),
            ),
            // Line breaks before them (earlier).
            (
                "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS50173: Text.\\r\\nTrace ID: t\\r\\nCorrelation ID: c\",\"error_codes\":[50173],\"suberror\":\"bad_token\"}",
                ("invalid_grant", Some("bad_token"), Some(50173), Some("Text.")),
            ),
            (
                r#"{"error":"invalid_grant","error_codes":[53003],"suberror":"message_only","claims":"{\"access_token\":{}}"}"#,
                ("invalid_grant", Some("message_only"), Some(53003), None),
            ),
            (
                r#"{"error":"interaction_required","error_codes":[50076],"suberror":"basic_action"}"#,
                ("interaction_required", Some("basic_action"), Some(50076), None),
            ),
            (
                r#"{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required"}"#,
                ("invalid_grant", Some("consent_required"), Some(65001), None),
            ),
            // The number in the text only, and codes as text.
            (
                r#"{"error":"invalid_client","error_description":"AADSTS700025: Client is public"}"#,
                ("invalid_client", None, Some(700_025), Some("Client is public")),
            ),
            (r#"{"error":"invalid_scope","error_codes":["70011"]}"#, ("invalid_scope", None, Some(70011), None)),
            // Another authority, without a number.
            (
                r#"{"error":"invalid_client","error_description":"The client_secret is incorrect."}"#,
                ("invalid_client", None, None, Some("The client_secret is incorrect.")),
            ),
            (r#"{"error":"server_error","error_codes":null}"#, ("server_error", None, None, None)),
        ];
        for (json, (error, suberror, aadsts, said)) in cases {
            let body = body(json);
            assert_eq!(body.error, error, "{json}");
            assert_eq!(EntraDetail::of(&body).suberror.as_deref(), suberror, "{json}");
            assert_eq!(body.aadsts(), aadsts, "{json}");
            assert_eq!(super::said(&body).as_deref(), said, "{json}");
            assert!(!body.failure(Stage::SignIn).fix.is_empty(), "{json}");
        }
    }

    #[test]
    fn what_comes_from_outside_can_not_disturb_a_line() {
        let body = body(r#"{"error":"x","error_description":"a\u001b[31m\nb","correlation_id":"<script>"}"#);
        assert_eq!(said(&body).as_deref(), Some("a [31m b"));
        assert_eq!(body.failure(Stage::SignIn).correlation_id, None);
    }

    #[test]
    fn an_echoed_secret_is_dropped() {
        let failure =
            body(r#"{"error":"invalid_client","error_description":"planted-secret is wrong"}"#).failure(Stage::SignIn);
        let recipient = atthene_core::bound::Recipient::Runtime { url: String::new() };
        assert_eq!(failure.without(&atthene_core::bound::Bound::new(recipient, "planted-secret".into())).said, None);
    }

    #[test]
    fn a_refusal_means_what_the_reference_says() {
        let meaning = |error: &str, suberror: &str, code: u32| {
            let json = serde_json::json!({ "error": error, "suberror": suberror, "error_codes": [code] });
            serde_json::from_value::<ErrorBody>(json).expect("an error").meaning()
        };
        let sign_in = |forget| Meaning::SignIn { forget };
        for (error, suberror, code, expected) in [
            ("invalid_grant", "basic_action", 50076, sign_in(false)),
            ("interaction_required", "basic_action", 50076, sign_in(false)),
            ("invalid_grant", "additional_action", 50097, sign_in(false)),
            ("invalid_grant", "message_only", 53003, Meaning::Failing),
            ("interaction_required", "message_only", 53003, Meaning::Failing),
            ("invalid_grant", "consent_required", 65001, sign_in(false)),
            ("invalid_grant", "user_password_expired", 50055, sign_in(false)),
            ("invalid_grant", "bad_token", 50173, sign_in(true)),
            ("invalid_grant", "token_expired", 700_082, sign_in(true)),
            ("invalid_grant", "client_mismatch", 0, Meaning::Failing),
            ("invalid_grant", "device_authentication_failed", 50155, Meaning::Failing),
            ("invalid_grant", "protection_policy_required", 53005, Meaning::Failing),
            ("invalid_grant", "", 50196, Meaning::Wait(Some(LOOP_PAUSE))),
            ("invalid_client", "", 7_000_222, Meaning::Failing),
            ("invalid_client", "", 7_000_218, Meaning::Failing),
            ("unauthorized_client", "", 700_016, Meaning::Failing),
            ("invalid_scope", "", 70011, Meaning::Failing),
        ] {
            assert_eq!(meaning(error, suberror, code), expected, "{error} {suberror} {code}");
        }
    }

    #[test]
    fn a_code_is_read_off_a_page() {
        for typed in ["AADSTS50011", " 50011 ", "AADSTS50011:", "Error AADSTS50011"] {
            assert!(explain_code(typed).what.contains("redirect URI"), "{typed}");
        }
        assert_eq!(explain_code("hello").aadsts, None);
        assert_eq!(explain_code("99999999999999999999").aadsts, None);
    }
}
