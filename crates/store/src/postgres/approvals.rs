//! Queries on `approvals`.

use atthene_core::activity::Entry;
use atthene_core::approvals::{Approval, ApprovalId, ApprovalState, Shown};
use atthene_core::connections::ConnectionId;
use atthene_core::keys::KeyId;
use atthene_core::permissions::Act;
use atthene_core::port::ApprovalRows;
use atthene_core::{StoreError, UnixMs};
use tokio_postgres::Row;

use super::database::Postgres;
use super::db::{Db, get, limit};
use super::fault::{Fault, word};
use super::revisions::Topic;

const COLUMNS: &str = "id, connection_id, account, act, tool, program, key_id, digest, shown, state, asked_at, \
                       decided_at, ended_at, outcome";

/// Every question of this digest: what was begun or done first, however late that ended, then the newest.
fn all_of(db: &Db<'_>, digest: &[u8; 32]) -> Result<Vec<Approval>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM approvals WHERE digest = $1
         ORDER BY state IN ('running', 'done') DESC, asked_at DESC, n DESC"
    );
    db.rows(&sql, &[&digest.as_slice()])?.iter().map(approval).collect()
}

fn insert(db: &Db<'_>, row: &Approval, host: &str) -> Result<(), Fault> {
    let host = (row.state == ApprovalState::Running).then_some(host);
    db.run(
        "INSERT INTO approvals (id, connection_id, account, act, tool, program, key_id, digest, shown, state, asked_at,
                                host)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            &row.id.as_str(),
            &row.connection.as_str(),
            &row.account,
            &row.act.as_str(),
            &row.tool,
            &row.program,
            &&*row.key.0,
            &row.digest.as_slice(),
            &row.shown.as_ref().and_then(kept),
            &row.state.as_str(),
            &row.asked_at.0,
            &host,
        ],
    )
    .map(drop)
}

fn approval(row: &Row) -> Result<Approval, Fault> {
    let known_act = |text: &str| Act::ALL.into_iter().find(|act| act.as_str() == text);
    let digest: &[u8] = get(row, "digest")?;
    Ok(Approval {
        id: ApprovalId::from_row(get(row, "id")?),
        connection: ConnectionId::from_row(get(row, "connection_id")?),
        account: get(row, "account")?,
        act: word(get(row, "act")?, known_act)?,
        tool: get(row, "tool")?,
        program: get(row, "program")?,
        key: KeyId(get::<&str>(row, "key_id")?.into()),
        digest: digest.try_into().map_err(|_| Fault::Unreadable("a digest has another length".to_owned()))?,
        shown: get::<Option<&str>>(row, "shown")?.and_then(|shown| serde_json::from_str(shown).ok()),
        state: word(get(row, "state")?, ApprovalState::known)?,
        asked_at: UnixMs(get(row, "asked_at")?),
        decided_at: get::<Option<i64>>(row, "decided_at")?.map(UnixMs),
        ended_at: get::<Option<i64>>(row, "ended_at")?.map(UnixMs),
        outcome: get(row, "outcome")?,
    })
}

/// Nobody may receive what this connection sends without a question any more.
pub(super) fn forget_recipients(db: &Db<'_>, id: &ConnectionId) -> Result<(), Fault> {
    db.run("DELETE FROM allowed_recipients WHERE connection_id = $1", &[&id.as_str()]).map(drop)
}

/// The same of a connection that is gone, with its open questions.
pub(super) fn forget(db: &Db<'_>, id: &ConnectionId) -> Result<(), Fault> {
    forget_recipients(db, id)?;
    db.run(
        "UPDATE approvals SET state = 'lapsed', shown = NULL
         WHERE connection_id = $1 AND state IN ('waiting', 'approved')",
        &[&id.as_str()],
    )
    .map(drop)
}

fn kept(shown: &Shown) -> Option<String> {
    serde_json::to_string(shown).ok()
}

impl ApprovalRows for Postgres {
    fn ask_approval(
        &self,
        new: &Approval,
        (open_since, kept_since): (UnixMs, UnixMs),
        is_same: &dyn Fn(&Approval) -> bool,
        question: Option<(&Entry<'_>, usize)>,
    ) -> Result<Option<Approval>, StoreError> {
        self.write(&[Topic::Approvals], |unit| {
            if let Some(found) = all_of(unit, &new.digest)?.into_iter().find(is_same) {
                return Ok(Some(found));
            }
            // An earlier question is answered by nobody any more: its text goes with it.
            unit.run(
                "UPDATE approvals SET state = 'lapsed', shown = NULL
                 WHERE digest = $1 AND state IN ('waiting', 'approved')",
                &[&new.digest.as_slice()],
            )?;
            unit.run("DELETE FROM approvals WHERE asked_at < $1", &[&kept_since.0])?;
            unit.run(
                "UPDATE approvals SET state = 'lapsed', shown = NULL
                 WHERE state IN ('waiting', 'approved') AND asked_at < $1",
                &[&open_since.0],
            )?;
            unit.run("DELETE FROM allowed_recipients WHERE until < $1", &[&new.asked_at.0])?;
            if let Some((entry, most)) = question {
                let row = unit.one("SELECT count(*) AS n FROM approvals WHERE state = 'waiting'", &[])?;
                if get::<i64>(&row, "n")? >= limit(most) {
                    return Ok(None);
                }
                unit.record(entry);
            }
            insert(unit, new, self.host().id())?;
            Ok(Some(new.clone()))
        })
    }

    fn decide_approval(
        &self,
        id: &ApprovalId,
        to: ApprovalState,
        edited: Option<&Shown>,
        (at, asked_since): (UnixMs, UnixMs),
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError> {
        self.write(&[Topic::Approvals], |unit| {
            let decided = unit.run(
                "UPDATE approvals SET state = $2, decided_at = $3,
                        shown = CASE WHEN $2 = 'denied' THEN NULL ELSE coalesce($5, shown) END
                 WHERE id = $1 AND asked_at > $4 AND (state = 'waiting' OR (state = 'approved' AND $2 = 'denied'))",
                &[&id.as_str(), &to.as_str(), &at.0, &asked_since.0, &edited.and_then(kept)],
            )?;
            if decided > 0 {
                unit.record(entry);
            }
            Ok(decided > 0)
        })
    }

    fn claim_approval(&self, id: &ApprovalId, between: (UnixMs, UnixMs)) -> Result<bool, StoreError> {
        self.write(&[Topic::Approvals], |unit| {
            let claimed = unit.run(
                "UPDATE approvals SET state = 'running', shown = NULL, host = $4
                 WHERE id = $1 AND state = 'approved' AND decided_at BETWEEN $2 AND $3",
                &[&id.as_str(), &between.0.0, &between.1.0, &self.host().id()],
            )?;
            Ok(claimed > 0)
        })
    }

    fn end_approval(
        &self,
        id: &ApprovalId,
        state: ApprovalState,
        outcome: Option<&str>,
        at: UnixMs,
        entry: &Entry<'_>,
    ) -> Result<(), StoreError> {
        self.write(&[Topic::Approvals], |unit| {
            unit.run(
                "UPDATE approvals SET state = $2, outcome = $3, ended_at = $4, shown = NULL
                 WHERE id = $1 AND state = 'running'",
                &[&id.as_str(), &state.as_str(), &outcome, &at.0],
            )?;
            unit.record(entry);
            Ok(())
        })
    }

    fn give_up_approval(&self, id: &ApprovalId, at: UnixMs, entry: &Entry<'_>) -> Result<bool, StoreError> {
        self.write(&[Topic::Approvals], |unit| {
            let given_up = unit.run(
                "UPDATE approvals SET ended_at = $2, shown = NULL
                 WHERE id = $1 AND state = 'running' AND ended_at IS NULL",
                &[&id.as_str(), &at.0],
            )?;
            if given_up > 0 {
                unit.record(entry);
            }
            Ok(given_up > 0)
        })
    }

    /// Those of this host: what another one has begun may be under way there.
    fn begun_approvals(&self) -> Result<Vec<Approval>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM approvals WHERE state = 'running' AND ended_at IS NULL AND host = $1
             ORDER BY asked_at, n"
        );
        self.read(|db| db.rows(&sql, &[&self.host().id()])?.iter().map(approval).collect())
    }

    fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM approvals WHERE id = $1");
        self.read(|db| db.row(&sql, &[&id.as_str()])?.as_ref().map(approval).transpose())
    }

    fn approvals(&self, most: usize) -> Result<Vec<Approval>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM approvals ORDER BY asked_at DESC, n DESC LIMIT $1");
        self.read(|db| db.rows(&sql, &[&limit(most)])?.iter().map(approval).collect())
    }

    fn waiting_approvals(&self, since: UnixMs) -> Result<Vec<Approval>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM approvals WHERE state = 'waiting' AND asked_at > $1 ORDER BY asked_at, n");
        self.read(|db| db.rows(&sql, &[&since.0])?.iter().map(approval).collect())
    }

    fn allow_recipients(&self, id: &ConnectionId, recipients: &[String], until: UnixMs) -> Result<(), StoreError> {
        // In one order on all hosts, so that two of them never wait for each other.
        let mut recipients: Vec<String> = recipients.iter().map(|recipient| recipient.to_lowercase()).collect();
        recipients.sort();
        recipients.dedup();
        self.write(&[], |unit| {
            unit.run(
                "INSERT INTO allowed_recipients (connection_id, recipient, until)
                 SELECT $1, one, $3 FROM unnest($2::text[]) WITH ORDINALITY AS given (one, place) ORDER BY place
                 ON CONFLICT (connection_id, recipient) DO UPDATE SET until = excluded.until",
                &[&id.as_str(), &recipients, &until.0],
            )
            .map(drop)
        })
    }

    fn are_allowed(&self, id: &ConnectionId, recipients: &[String], now: UnixMs) -> Result<bool, StoreError> {
        let recipients: Vec<String> = recipients.iter().map(|recipient| recipient.to_lowercase()).collect();
        self.read(|db| {
            let row = db.one(
                "SELECT NOT EXISTS (
                   SELECT 1 FROM unnest($2::text[]) AS given (one) WHERE NOT EXISTS (
                     SELECT 1 FROM allowed_recipients
                     WHERE connection_id = $1 AND recipient = one AND until > $3)) AS all_of_them",
                &[&id.as_str(), &recipients, &now.0],
            )?;
            get(&row, "all_of_them")
        })
    }
}
