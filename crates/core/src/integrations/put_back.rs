//! Integrations that a backup brings: checked like a form that was typed.

use super::draft::SecretInForm;
use super::registry::taken;
use super::{AuthorityDraft, Draft, Integration, IntegrationId, Integrations, Redirect, RedirectDraft, StoredSecret};
use crate::clock::UnixMs;
use crate::port::backup::RawIntegration;
use crate::provider::Authority;

impl Integrations {
    /// An integration of a backup, checked like a form that was typed: the row to add, `None` where it is here
    /// already, or why it can't be taken.
    pub(crate) fn read_back(
        &self,
        all: &[Integration],
        raw: &RawIntegration,
        now: UnixMs,
    ) -> Result<Option<Integration>, String> {
        const UNREADABLE: &str = "it can't be read";
        let parts = (
            IntegrationId::try_from(raw.id.clone()).ok().filter(|id| !id.is_built_in()),
            serde_json::from_str::<Authority>(&raw.authority).ok(),
            serde_json::from_str::<Redirect>(&raw.redirect).ok(),
        );
        let (Some(id), Some(authority), Some(redirect)) = parts else { return Err(UNREADABLE.into()) };
        let draft = Draft {
            id,
            name: raw.name.clone(),
            client_id: raw.client_id.clone(),
            authority: AuthorityDraft::of(&authority),
            secret_expires_at: raw.secret_expires_at.map(UnixMs),
            scopes: raw.scopes.split_whitespace().map(str::to_owned).collect(),
            redirect: RedirectDraft::of(&redirect),
        };
        if let Some(here) = all.iter().find(|row| row.id == draft.id) {
            let same = draft.recipient(self.identity.as_ref()).is_some_and(|recipient| recipient == here.recipient());
            let why = || format!("it leads elsewhere than \u{201c}{}\u{201d}, which is here", here.name);
            return if same { Ok(None) } else { Err(why()) };
        }
        let secret = if raw.has_secret { SecretInForm::Stored } else { SecretInForm::None };
        if let Some(problem) = taken(all, &draft) {
            return Err(problem.problem);
        }
        let checked = draft.check(secret, self.identity.as_ref()).row(&draft, None, now);
        checked.map_err(|wrong| wrong.problem).map(|row| {
            let secret = if raw.has_secret { StoredSecret::Missing } else { StoredSecret::None };
            Some(Integration { secret, ..row })
        })
    }
}
