//! What came of a sign-in, before anything of it is kept.

use secrecy::SecretString;

use super::Account;
use crate::integrations::Registration;
use crate::port::Tokens;
use crate::provider::Discovery;

/// Tokens, and whose they are.
pub(super) struct SignedIn {
    pub(super) registration: Registration,
    pub(super) account: Account,
    pub(super) tokens: Tokens,
    pub(super) refresh: SecretString,
    pub(super) found: Discovery,
}
