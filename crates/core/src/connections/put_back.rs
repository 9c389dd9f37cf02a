//! Connections that a backup brings: checked, and without a sign-in until the vault shows it.

use super::{Account, Connection, ConnectionId, Connections, Revision, Standing, Toolkit, same_scope};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::integrations::{Integration, IntegrationId};
use crate::names::{checked_name, is_misleading};
use crate::permissions::Permissions;
use crate::port::backup::RawConnection;

/// Longer than any that an authority gives.
const LONGEST_NAME_OF_ACCOUNT: usize = 256;
const LONGEST_ID_OF_ACCOUNT: usize = 128;
/// Why a connection that was put back has to be signed in again.
const SIGN_IN_AGAIN: &str = "It was put back from a backup without its sign-in. Sign in again.";
const MOST_SCOPES: usize = 200;

impl Connections {
    /// A connection of a backup: the row to add, `None` where it is here already, or why it can't be taken.
    pub(crate) fn read_back(
        integrations: &[Integration],
        connections: &[Connection],
        raw: &RawConnection,
        now: UnixMs,
    ) -> Result<Option<Connection>, String> {
        let Some(row) = checked(raw, now) else { return Err("it can't be read".into()) };
        let of_same_account = |other: &Connection| {
            (&other.integration, &other.account.id, &other.account.directory)
                == (&row.integration, &row.account.id, &row.account.directory)
        };
        if let Some(other) = connections.iter().find(|other| other.id == row.id) {
            let why = || format!("its name belongs to {}, who is here", other.account.label);
            return if of_same_account(other) { Ok(None) } else { Err(why()) };
        }
        if connections.iter().any(|other| other.toolkit == row.toolkit && of_same_account(other)) {
            return Ok(None);
        }
        let is_there = row.integration.is_built_in() || integrations.iter().any(|it| it.id == row.integration);
        let missing = || "the integration that it goes through is not here".to_owned();
        is_there.then_some(Some(row)).ok_or_else(missing)
    }

    /// Whether the vault still holds the very sign-in of a connection that was put back; it works then.
    pub(crate) async fn find_sign_in(&self, row: &Connection) -> Result<bool, Error> {
        let registration = self.integrations.registration(&row.integration)?;
        // A refresh asks for what the row says was granted.
        let may = registration.scopes_for(row.toolkit, self.identity.as_ref());
        if !row.granted.iter().all(|scope| may.iter().any(|may| same_scope(may, scope))) {
            return Ok(false);
        }
        let token = self.secrets.get(&row.id.token_entry()).await?;
        if !token.is_some_and(|token| token.is_for(&registration.recipient(), Some(&row.account.owner()))) {
            return Ok(false);
        }
        self.store.set_standing(&row.id, &Standing::Connected, None, None)?;
        Ok(true)
    }
}

fn checked(raw: &RawConnection, now: UnixMs) -> Option<Connection> {
    let toolkit = Toolkit::known(&raw.toolkit)?;
    let id = ConnectionId::try_from(raw.id.as_str()).ok()?;
    let fits = id.as_str().starts_with(&format!("{}-", toolkit.as_str()));
    let of_account = |text: &str| {
        (1..=LONGEST_ID_OF_ACCOUNT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let label_is_fine = !raw.account.trim().is_empty()
        && raw.account.chars().count() <= LONGEST_NAME_OF_ACCOUNT
        && !raw.account.chars().any(is_misleading);
    if !fits || !of_account(&raw.account_id) || !of_account(&raw.directory) || !label_is_fine {
        return None;
    }
    let signed_in_at = UnixMs(raw.signed_in_at.clamp(0, now.0));
    Some(Connection {
        id,
        integration: IntegrationId::try_from(raw.integration.clone()).ok()?,
        toolkit,
        account: Account {
            id: raw.account_id.clone(),
            directory: raw.directory.clone(),
            label: raw.account.trim().to_owned(),
        },
        asked: scopes(&raw.asked)?,
        granted: scopes(&raw.granted)?,
        confidential: raw.confidential,
        standing: Standing::NeedsSignIn(SIGN_IN_AGAIN.to_owned()),
        signed_in_at,
        refreshed_at: signed_in_at,
        used_at: None,
        revision: Revision(0),
        challenge: None,
        // Whoever made the backup decides nothing here.
        permissions: Permissions::default(),
    })
}

fn scopes(text: &str) -> Option<Vec<String>> {
    let scopes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let fine =
        scopes.len() <= MOST_SCOPES && scopes.iter().all(|scope| scope.is_ascii() && checked_name(scope).is_ok());
    fine.then_some(scopes)
}
