//! Queries on `approvals`.

use rusqlite::{Connection as Db, OptionalExtension, Row, named_params, params};

use atthene_core::activity::Entry;
use atthene_core::approvals::{Approval, ApprovalId, ApprovalState, Shown};
use atthene_core::connections::ConnectionId;
use atthene_core::keys::KeyId;
use atthene_core::permissions::Act;
use atthene_core::port::ApprovalRows;
use atthene_core::{StoreError, UnixMs};

use super::activity;
use super::database::Sqlite;
use super::error::word;

const COLUMNS: &str = "id, connection_id, account, act, tool, program, key_id, digest, shown, state, asked_at, \
                       decided_at, ended_at, outcome";

fn by_id(db: &Db, id: &ApprovalId) -> rusqlite::Result<Option<Approval>> {
    let sql = format!("SELECT {COLUMNS} FROM approvals WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id.as_str()], approval).optional()
}

/// Every question of this digest: what was begun or done first, however late that ended, then the newest.
fn all_of(db: &Db, digest: &[u8; 32]) -> rusqlite::Result<Vec<Approval>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM approvals WHERE digest = ?1
         ORDER BY state IN ('running', 'done') DESC, asked_at DESC, rowid DESC"
    );
    db.prepare_cached(&sql)?.query_map([digest.as_slice()], approval)?.collect()
}

fn insert(db: &Db, row: &Approval) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO approvals (id, connection_id, account, act, tool, program, key_id, digest, shown, state, asked_at)
         VALUES (:id, :connection_id, :account, :act, :tool, :program, :key_id, :digest, :shown, :state, :asked_at)",
        named_params! {
            ":id": row.id.as_str(),
            ":connection_id": row.connection.as_str(),
            ":account": row.account,
            ":act": row.act.as_str(),
            ":tool": row.tool,
            ":program": row.program,
            ":key_id": &*row.key.0,
            ":digest": row.digest.as_slice(),
            ":shown": row.shown.as_ref().and_then(kept),
            ":state": row.state.as_str(),
            ":asked_at": row.asked_at.0,
        },
    )?;
    Ok(())
}

fn kept(shown: &Shown) -> Option<String> {
    serde_json::to_string(shown).ok()
}

fn approval(row: &Row<'_>) -> rusqlite::Result<Approval> {
    let known_act = |text: &str| Act::ALL.into_iter().find(|act| act.as_str() == text);
    Ok(Approval {
        id: ApprovalId::from_row(row.get(0)?),
        connection: ConnectionId::from_row(row.get(1)?),
        account: row.get(2)?,
        act: word(3, &row.get::<_, String>(3)?, known_act)?,
        tool: row.get(4)?,
        program: row.get(5)?,
        key: KeyId(row.get::<_, String>(6)?.into()),
        digest: row.get(7)?,
        shown: row.get::<_, Option<String>>(8)?.and_then(|shown| serde_json::from_str(&shown).ok()),
        state: word(9, &row.get::<_, String>(9)?, ApprovalState::known)?,
        asked_at: UnixMs(row.get(10)?),
        decided_at: row.get::<_, Option<i64>>(11)?.map(UnixMs),
        ended_at: row.get::<_, Option<i64>>(12)?.map(UnixMs),
        outcome: row.get(13)?,
    })
}

/// Nobody may receive what this connection sends without a question any more.
pub(super) fn forget_recipients(db: &Db, id: &ConnectionId) -> rusqlite::Result<()> {
    db.execute("DELETE FROM allowed_recipients WHERE connection_id = ?1", [id.as_str()]).map(drop)
}

/// The same of a connection that is gone, with its open questions.
pub(super) fn forget(db: &Db, id: &ConnectionId) -> rusqlite::Result<()> {
    forget_recipients(db, id)?;
    db.execute(
        "UPDATE approvals SET state = 'lapsed', shown = NULL
         WHERE connection_id = ?1 AND state IN ('waiting', 'approved')",
        [id.as_str()],
    )
    .map(drop)
}

impl ApprovalRows for Sqlite {
    fn ask_approval(
        &self,
        new: &Approval,
        (open_since, kept_since): (UnixMs, UnixMs),
        is_same: &dyn Fn(&Approval) -> bool,
        question: Option<(&Entry<'_>, usize)>,
    ) -> Result<Option<Approval>, StoreError> {
        self.write(|tx| {
            if let Some(found) = all_of(tx, &new.digest)?.into_iter().find(is_same) {
                return Ok(Some(found));
            }
            // An earlier question is answered by nobody any more: its text goes with it.
            tx.execute(
                "UPDATE approvals SET state = 'lapsed', shown = NULL
                 WHERE digest = ?1 AND state IN ('waiting', 'approved')",
                [new.digest.as_slice()],
            )?;
            tx.execute("DELETE FROM approvals WHERE asked_at < ?1", [kept_since.0])?;
            tx.execute(
                "UPDATE approvals SET state = 'lapsed', shown = NULL
                 WHERE state IN ('waiting', 'approved') AND asked_at < ?1",
                [open_since.0],
            )?;
            tx.execute("DELETE FROM allowed_recipients WHERE until < ?1", [new.asked_at.0])?;
            if let Some((entry, most)) = question {
                let waiting: i64 =
                    tx.query_row("SELECT count(*) FROM approvals WHERE state = 'waiting'", [], |row| row.get(0))?;
                if usize::try_from(waiting).unwrap_or(usize::MAX) >= most {
                    return Ok(None);
                }
                activity::append(tx, entry)?;
            }
            insert(tx, new)?;
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
        let decided = self.write_ending(|tx| {
            let decided = tx.execute(
                "UPDATE approvals SET state = ?2, decided_at = ?3,
                        shown = CASE WHEN ?2 = 'denied' THEN NULL ELSE coalesce(?5, shown) END
                 WHERE id = ?1 AND asked_at > ?4 AND (state = 'waiting' OR (state = 'approved' AND ?2 = 'denied'))",
                params![id.as_str(), to.as_str(), at.0, asked_since.0, edited.and_then(kept)],
            )?;
            if decided > 0 {
                activity::append(tx, entry)?;
            }
            Ok(decided > 0)
        })?;
        if decided && to == ApprovalState::Denied {
            self.forget_log();
        }
        Ok(decided)
    }

    fn claim_approval(&self, id: &ApprovalId, between: (UnixMs, UnixMs)) -> Result<bool, StoreError> {
        self.write(|tx| {
            let claimed = tx.execute(
                "UPDATE approvals SET state = 'running', shown = NULL WHERE id = ?1 AND state = 'approved' AND decided_at BETWEEN ?2 AND ?3",
                params![id.as_str(), between.0.0, between.1.0],
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
        self.write(|tx| {
            tx.execute(
                "UPDATE approvals SET state = ?2, outcome = ?3, ended_at = ?4, shown = NULL
                 WHERE id = ?1 AND state = 'running'",
                params![id.as_str(), state.as_str(), outcome, at.0],
            )?;
            activity::append(tx, entry)
        })?;
        self.forget_log();
        Ok(())
    }

    fn give_up_approval(&self, id: &ApprovalId, at: UnixMs, entry: &Entry<'_>) -> Result<bool, StoreError> {
        self.write(|tx| {
            let given_up = tx.execute(
                "UPDATE approvals SET ended_at = ?2, shown = NULL WHERE id = ?1 AND state = 'running' AND ended_at IS NULL",
                params![id.as_str(), at.0],
            )?;
            if given_up > 0 {
                activity::append(tx, entry)?;
            }
            Ok(given_up > 0)
        })
    }

    fn begun_approvals(&self) -> Result<Vec<Approval>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM approvals WHERE state = 'running' AND ended_at IS NULL ORDER BY asked_at, rowid"
            );
            db.prepare_cached(&sql)?.query_map([], approval)?.collect()
        })
    }

    fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
        self.read(|db| by_id(db, id))
    }

    fn approvals(&self, most: usize) -> Result<Vec<Approval>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM approvals ORDER BY asked_at DESC, rowid DESC LIMIT ?1");
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            db.prepare_cached(&sql)?.query_map([most], approval)?.collect()
        })
    }

    fn waiting_approvals(&self, since: UnixMs) -> Result<Vec<Approval>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM approvals WHERE state = 'waiting' AND asked_at > ?1 ORDER BY asked_at, rowid"
            );
            db.prepare_cached(&sql)?.query_map([since.0], approval)?.collect()
        })
    }

    fn allow_recipients(&self, id: &ConnectionId, recipients: &[String], until: UnixMs) -> Result<(), StoreError> {
        self.write(|tx| {
            for recipient in recipients {
                tx.execute(
                    "INSERT INTO allowed_recipients (connection_id, recipient, until) VALUES (?1, ?2, ?3)
                     ON CONFLICT (connection_id, recipient) DO UPDATE SET until = excluded.until",
                    params![id.as_str(), recipient.to_lowercase(), until.0],
                )?;
            }
            Ok(())
        })
    }

    fn are_allowed(&self, id: &ConnectionId, recipients: &[String], now: UnixMs) -> Result<bool, StoreError> {
        self.read(|db| {
            let mut find = db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM allowed_recipients WHERE connection_id = ?1 AND recipient = ?2 AND until > ?3)",
            )?;
            for recipient in recipients {
                if !find.query_row(params![id.as_str(), recipient.to_lowercase(), now.0], |row| row.get::<_, bool>(0))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}
