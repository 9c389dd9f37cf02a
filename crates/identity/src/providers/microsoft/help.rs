//! What each AADSTS number means to a person. Help only: nothing branches on a number,
//! since Microsoft changes them without notice.

/// What is wrong and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Help {
    pub(super) what: &'static str,
    pub(super) fix: &'static str,
}

/// What was asked for when it was refused: the same number means something else each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A sign-in in the browser.
    SignIn,
    /// A sign-in with a code on another machine.
    DeviceCode,
    /// New tokens for a stored sign-in.
    Refresh,
    /// A look at the registration, with nobody signing in.
    Check,
}

/// Help for a number where it is known, else for the class of the error.
pub(super) fn help(aadsts: Option<u32>, error: &str, stage: Stage) -> Help {
    match (stage, aadsts, error) {
        // The class is clear, where the number stands for several.
        (Stage::DeviceCode, _, "authorization_declined" | "expired_token" | "access_denied") => return class(error),
        (Stage::DeviceCode, Some(7_000_218), _) => {
            return Help {
                what: "The registration allows no sign-in by code",
                fix: "Set “Allow public client flows” to Yes on its page Authentication.",
            };
        }
        (Stage::Refresh, Some(70008), _) => {
            return Help { what: "The stored sign-in has ended", fix: "Sign in again." };
        }
        _ => {}
    }
    let known = aadsts.and_then(|number| TABLE.iter().find(|(numbers, ..)| numbers.contains(&number)));
    match known {
        Some(&(_, what, fix)) => Help { what, fix },
        None => class(error),
    }
}

/// Help for a class of RFC 6749, 5.2, and for those that Entra adds.
fn class(error: &str) -> Help {
    let (what, fix) = match error {
        "invalid_client" => (
            "The authority does not accept the client ID or its secret",
            "Compare both with the app registration, and enter the secret's Value again.",
        ),
        "unauthorized_client" => (
            "The app registration may not be used in this way",
            "Check in Azure that it is enabled and that its platform is the one shown here.",
        ),
        "invalid_scope" => {
            ("A scope is not accepted", "Compare the spelling of each scope with the permissions of the registration.")
        }
        "invalid_request" | "unsupported_grant_type" | "unsupported_response_type" => (
            "The authority does not understand the request",
            "Remove hidden characters from pasted values. If it stays, look the number up at login.microsoftonline.com/error.",
        ),
        "invalid_tenant" => {
            ("This tenant does not exist here", "Copy the Directory (tenant) ID again, and check the cloud.")
        }
        "invalid_instance" => ("This authority is unknown to Microsoft", "Choose the cloud that your tenant lives in."),
        "invalid_grant" | "interaction_required" | "login_required" => {
            ("The sign-in is no longer valid", "Sign in again.")
        }
        "consent_required" | "access_denied" => {
            ("The access was not granted", "Sign in again and accept, or ask an administrator to grant it.")
        }
        "expired_token" => ("The code has lapsed", "Start again and enter the new code within a few minutes."),
        "authorization_declined" => ("The access was declined", "Try again and accept."),
        "temporarily_unavailable" | "server_error" => {
            ("The authority has a problem of its own", "Wait a moment, then try again.")
        }
        _ => ("The authority refused", "Its number can be looked up at login.microsoftonline.com/error."),
    };
    Help { what, fix }
}

type HelpRow = (&'static [u32], &'static str, &'static str);

#[rustfmt::skip]
const TABLE: &[HelpRow] = &[
    // The registration.
    (&[700_016], "No app with this client ID exists in the tenant",
        "Copy the Application (client) ID from the Overview page, and check that the app lives in the tenant typed here."),
    (&[700_038], "The client ID is none that an app can have",
        "Copy the Application (client) ID from the Overview page of the registration."),
    (&[90002], "This tenant does not exist in the chosen cloud",
        "Copy the Directory (tenant) ID again, and check the cloud."),
    (&[900_023], "The tenant is neither an ID nor a domain",
        "Type the tenant's GUID or one of its verified domains, without spaces or slashes."),
    (&[50194], "The app serves one tenant only, but “common” was used",
        "Put your own tenant ID into the integration."),
    (&[90130, 90124], "This app can't be used through “common” or “consumers”",
        "Put your tenant ID, or “organizations”, into the integration."),
    (&[9_001_023], "This kind of request needs one certain tenant",
        "Put your tenant ID into the integration."),
    (&[9_002_332], "The app is for work accounts only",
        "Put your tenant ID into the integration in place of “consumers”."),
    (&[9_002_346], "The app is for personal accounts only",
        "Change “Supported account types” of the registration."),
    (&[50011, 70004], "The redirect URI is not the registered one",
        "Register exactly the URI that the integration shows, letter by letter, under the platform named beside it."),
    (&[500_113], "The registration has no redirect URI at all",
        "Add the platform and the URI that the integration shows, on the page Authentication."),
    (&[900_971], "The request named no redirect URI", "Update ATTHENE Settings; it always has to send one."),
    (&[7_000_215], "The client secret is wrong; often it is the Secret ID",
        "Make a new secret in “Certificates & secrets” and paste the text of its column Value."),
    (&[7_000_222], "The client secret has expired",
        "Make a new one in “Certificates & secrets” and replace it here; nobody has to sign in again."),
    (&[7_000_218], "The redirect URI is registered under Web, which needs a client secret",
        "Enter the secret, or move the URI to “Mobile and desktop applications”."),
    (&[700_025, 90023], "The redirect URI belongs to a public client, which must not send a secret",
        "Remove the secret here, or register the loopback URI under Web."),
    (&[70002], "The credentials of the app were not accepted", "Enter the client secret again."),
    (&[700_027], "The app's certificate was not accepted", "Upload the certificate that belongs to it."),
    (&[7_000_112, 70001], "The app is switched off in this tenant",
        "Open it under “Enterprise applications” and enable sign-in."),
    (&[9_002_325], "The redirect URI is registered as a single-page application",
        "Remove it there and register it under Web or “Mobile and desktop applications”."),
    (&[9_002_326], "The token was asked for from a web page", "Update ATTHENE Settings; it must not do that."),
    (&[9_002_327], "The redirect URI is registered as a single-page application",
        "Move it out of “Single-page application”."),
    (&[70011], "A scope is misspelt or in the wrong place", "Correct its spelling; only single spaces stand between scopes."),
    (&[650_053], "A scope does not exist in Microsoft Graph",
        "Remove or correct it; look for commas and line breaks."),
    (&[28002, 28003], "No usable scope was asked for", "Pick at least one scope."),
    (&[700_022], "The scopes belong to more than one API", "Keep Microsoft Graph scopes only."),
    (&[700_023], "Only sign-in scopes were asked for", "Add a Graph scope, such as User.Read."),
    (&[650_056], "The registration lists no permission, or nobody granted it",
        "Add the delegated Graph permissions and grant admin consent."),
    (&[650_057], "The registration does not list the API that was asked for", "Add it under “API permissions”."),
    (&[650_052], "The tenant does not have the service behind a scope", "Enable it, or leave its scopes out."),
    (&[500_011], "The API behind a scope is unknown in this tenant", "Check the scopes, and the cloud."),
    (&[65002], "This client ID is one of Microsoft's own", "Register an app of your own and use its client ID."),
    (&[901_002], "An outdated parameter was sent", "Update ATTHENE Settings; it has to use scopes."),
    (&[900_144, 90014], "A required value was missing", "Fill in the client ID and the scopes."),
    (&[9_002_313], "The request was malformed", "Type pasted values again; hidden characters travel along."),
    (&[900_561], "The page was opened in the wrong way, for instance with Back", "Start the sign-in again from the app."),
    (&[700_054], "An answer of the wrong kind was asked for", "Update ATTHENE Settings; it has to ask for a code only."),
    (&[700_005], "The sign-in began in one tenant and ended in another", "Start again, with one tenant throughout."),
    (&[54005], "This sign-in was already completed", "Start again, and do not reload the last page."),
    (&[70008, 50089], "The sign-in took too long", "Start again and finish it within a few minutes."),
    (&[501_481, 50147, 501_491], "The answer belongs to another attempt", "Start again, in one window only."),
    (&[900_439], "A US Government account was used in the global cloud", "Choose a US Government cloud in the integration."),
    (&[90038, 900_382, 900_432], "The tenant lives in another cloud",
        "Register the app in that cloud, and choose the cloud here."),
    (&[90027, 500_201], "Personal accounts need the newer protocol", "Update ATTHENE Settings; it has to use version 2."),
    // Consent.
    (&[65001], "Nobody has granted this access yet", "Sign in again and accept, or have an administrator grant it."),
    (&[65004], "The access was declined", "Try again and accept, or ask which of the scopes is the problem."),
    (&[90094], "Only an administrator can grant this access", "Send the admin consent link to an administrator."),
    (&[90095], "The tenant wants a request for approval", "Send the request with a reason, and wait for the approval."),
    (&[90008], "The app may not even read the person's profile", "Add the scope User.Read."),
    (&[90099], "The customer's tenant has not approved the app", "Have it granted in the customer's tenant first."),
    // The person and the company's rules.
    (&[50020], "The account belongs to another tenant", "Use an account of this tenant, or be invited as a guest."),
    (&[50034, 51004], "This account does not exist in the tenant", "Check the address, and the tenant of the integration."),
    (&[16000, 500_208], "An account of this kind can't be used here", "Pick another account."),
    (&[50105], "The account was not assigned to the app",
        "An administrator assigns it, or turns off “Assignment required”."),
    (&[50053], "The account is locked, or the network has a bad reputation", "Wait, or ask an administrator to unlock it."),
    (&[50055, 50144], "The password has expired", "Change it, then sign in."),
    (&[50126], "The user name or the password is wrong", "Type it again."),
    (&[50057], "The account is disabled", "Ask your IT department."),
    (&[50058], "Nobody is signed in", "Sign in in the browser."),
    (&[50072, 50079], "A second factor has to be set up", "Sign in in the browser and finish the set-up."),
    (&[50074, 50076], "A second factor is asked for", "Sign in again and confirm it."),
    (&[50078], "The second factor was confirmed too long ago", "Sign in again."),
    (&[50097, 50129, 50155, 50187], "The device has to be known to the company",
        "Use a managed device, or a browser profile that carries its sign-in."),
    (&[50131, 53003], "A Conditional Access rule blocks this",
        "Give the correlation ID to your IT department and ask for the rule."),
    (&[53000, 53001, 53002], "The device or the app does not meet the company's rules",
        "Use a compliant device, or ask your IT department for an exception."),
    (&[53004], "A second factor can't be set up now, since the sign-in looks risky",
        "Sign in from a usual place and device, or ask your IT department."),
    (&[530_032, 530_035], "A security policy blocks this", "Ask your IT department; a device code is often what it blocks."),
    (&[50158], "Another identity service has to confirm", "Sign in again and finish its step."),
    (&[500_021, 500_212, 500_213], "The company restricts access between tenants",
        "Your IT department has to allow this tenant on this network."),
    (&[50199], "Microsoft asks whether to go on to the app", "Press Continue on its page."),
    (&[50140], "Microsoft asks whether to stay signed in", "Answer on its page."),
    (&[50173], "The access was withdrawn, or the password was changed", "Sign in again."),
    (&[50132, 50133], "The session ended because the password was changed", "Sign in again."),
    (&[700_082], "The sign-in lay unused for 90 days", "Sign in again."),
    (&[700_084], "The sign-in was limited to 24 hours", "Move the redirect URI out of “Single-page application”."),
    (&[70043], "The company asks for a new sign-in from time to time", "Sign in again."),
    (&[70000], "The stored sign-in is not valid", "Sign in again."),
    (&[50196], "Microsoft sees the same request too often", "The app pauses for five minutes; then sign in again."),
    (&[90055, 90024, 90006, 90012, 90033, 50087], "Microsoft is busy", "The app tries again by itself."),
    (&[70016, 70018, 70019], "The device code is waiting, wrong or too old", "Enter it once more, or start again."),
    (&[1_000_031], "The app can't be reached at the moment", "Ask the tenant's administrator."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every number that admins and users were seen to meet.
    const KNOWN: &[u32] = &[
        16000, 28002, 28003, 50011, 50020, 50034, 50053, 50055, 50057, 50058, 50072, 50074, 50076, 50078, 50079, 50087,
        50089, 50097, 50105, 50126, 50129, 50131, 50132, 50133, 50140, 50144, 50147, 50155, 50158, 50173, 50187, 50194,
        50196, 50199, 51004, 53000, 53001, 53002, 53003, 53004, 54005, 65001, 65002, 65004, 70000, 70001, 70002, 70004,
        70008, 70011, 70016, 70018, 70019, 70043, 90002, 90006, 90008, 90012, 90014, 90023, 90024, 90027, 90033, 90038,
        90055, 90094, 90095, 90099, 90124, 90130, 500_011, 500_021, 500_113, 500_201, 500_208, 500_212, 500_213,
        501_481, 501_491, 530_032, 530_035, 650_052, 650_053, 650_056, 650_057, 700_005, 700_016, 700_022, 700_023,
        700_025, 700_027, 700_038, 700_054, 700_082, 700_084, 900_023, 900_144, 900_382, 900_432, 900_439, 900_561,
        900_971, 901_002, 1_000_031, 7_000_112, 7_000_215, 7_000_218, 7_000_222, 9_001_023, 9_002_313, 9_002_325,
        9_002_326, 9_002_327, 9_002_332, 9_002_346,
    ];

    #[test]
    fn every_known_number_has_help_of_its_own_and_only_one() {
        let numbers: Vec<u32> = TABLE.iter().flat_map(|(numbers, ..)| numbers.iter().copied()).collect();
        let set: BTreeSet<u32> = numbers.iter().copied().collect();
        assert_eq!(set.len(), numbers.len(), "a number stands twice");
        assert_eq!(set, KNOWN.iter().copied().collect());
        for (numbers, what, fix) in TABLE {
            assert!(!what.ends_with('.') && fix.ends_with('.'), "{numbers:?}");
        }
    }

    #[test]
    fn an_unknown_number_still_gives_a_useful_sentence() {
        for error in [
            "invalid_client",
            "unauthorized_client",
            "invalid_scope",
            "invalid_request",
            "invalid_tenant",
            "invalid_grant",
            "consent_required",
            "temporarily_unavailable",
            "something_new",
        ] {
            let help = help(Some(4_242_424), error, Stage::SignIn);
            assert!(help.what.len() > 15 && help.fix.ends_with('.'), "{error}");
        }
    }
}
