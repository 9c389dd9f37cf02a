//! Queries on `unsettled_secrets`. An entry is of the host that wrote it down: another one may be between its steps.

use atthene_core::StoreError;
use atthene_core::activity::Entry;
use atthene_core::port::{SecretRows, SecretStep};

use super::database::{Postgres, Unit};
use super::db::{Db, get};
use super::fault::Fault;
use super::sealed;

/// Marks an entry of the vault as being between two steps of this host.
fn unsettle(db: &Db<'_>, host: &str, entry: &str) -> Result<(), Fault> {
    db.run(
        "INSERT INTO unsettled_secrets (entry, host) VALUES ($1, $2)
         ON CONFLICT (entry) DO UPDATE SET swept = false, host = excluded.host",
        &[&entry, &host],
    )
    .map(drop)
}

/// The last step is done. False: another process has swept the entry meanwhile.
fn settle(db: &Db<'_>, entry: &str) -> Result<bool, Fault> {
    Ok(db.run("DELETE FROM unsettled_secrets WHERE entry = $1 AND NOT swept", &[&entry])? > 0)
}

/// What belongs to the entry in the transaction of its row. False: its secret was swept meanwhile, or sealed under a key
/// that is over by now, so the row must not be written.
pub(super) fn advance(db: &Db<'_>, host: &str, step: SecretStep<'_>) -> Result<bool, Fault> {
    match step {
        SecretStep::Nothing => Ok(true),
        SecretStep::Written(entry) => settle(db, entry),
        // Nothing is written where either says no; whoever tries again marks the entry again.
        SecretStep::Sealed(entry, sealed) => Ok(settle(db, entry)? && sealed::put(db, entry, sealed)?),
        SecretStep::Leaving(entry) => unsettle(db, host, entry).map(|()| true),
    }
}

/// A row was deleted, or there was none: what belongs to its secret, and the record. Whether there was one.
pub(super) fn deleted(
    unit: &Unit<'_>,
    host: &str,
    was_there: bool,
    step: SecretStep<'_>,
    entry: &Entry<'_>,
) -> Result<bool, Fault> {
    if was_there {
        advance(unit, host, step)?;
        unit.record(entry);
    }
    Ok(was_there)
}

impl SecretRows for Postgres {
    fn mark_unsettled(&self, entry: &str) -> Result<(), StoreError> {
        self.write(&[], |unit| unsettle(unit, self.host().id(), entry))
    }

    fn advance(&self, step: SecretStep<'_>) -> Result<(), StoreError> {
        self.write(&[], |unit| advance(unit, self.host().id(), step).map(drop))
    }

    fn mark_settled(&self, entry: &str) -> Result<(), StoreError> {
        self.write(&[], |unit| settle(unit, entry).map(drop))
    }

    fn claim_unsettled(&self) -> Result<Vec<String>, StoreError> {
        self.write(&[], |unit| {
            let sql = "UPDATE unsettled_secrets SET swept = true WHERE host = $1 RETURNING entry";
            unit.rows(sql, &[&self.host().id()])?.iter().map(|row| get(row, "entry")).collect()
        })
    }

    fn swept(&self, entry: &str, removed: Option<&Entry<'_>>) -> Result<(), StoreError> {
        self.write(&[], |unit| {
            unit.run("DELETE FROM unsettled_secrets WHERE entry = $1 AND swept", &[&entry])?;
            if let Some(removed) = removed {
                unit.record(removed);
            }
            Ok(())
        })
    }
}
