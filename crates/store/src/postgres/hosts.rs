//! Queries on `hosts`.

use std::time::Duration;

use atthene_core::activity::Entry;
use atthene_core::port::{HostRow, HostRows, HostSeen};
use atthene_core::{StoreError, UnixMs};
use tokio_postgres::Row;

use super::database::Postgres;
use super::db::get;
use super::fault::Fault;

/// By the database's clock, while the statement runs.
const ALL: &str = "
    SELECT id, name, version, address, started_at, status,
           (extract(epoch FROM seen_at) * 1000)::bigint AS seen_at,
           greatest(extract(epoch FROM clock_timestamp() - seen_at) * 1000, 0)::bigint AS ago
    FROM hosts LEFT JOIN services ON services.host = hosts.id
    WHERE left_at IS NULL ORDER BY name, id";

fn seen(row: &Row) -> Result<Option<HostSeen>, Fault> {
    let (Some(at), Some(ago)) = (get::<Option<i64>>(row, "seen_at")?, get::<Option<i64>>(row, "ago")?) else {
        return Ok(None);
    };
    // Whoever says that it is there says all of it.
    Ok(Some(HostSeen {
        version: get(row, "version")?,
        address: get(row, "address")?,
        started_at: UnixMs(get(row, "started_at")?),
        at: UnixMs(at),
        ago: Duration::from_millis(ago.cast_unsigned()),
    }))
}

fn host(row: &Row, here: &str) -> Result<HostRow, Fault> {
    let id: String = get(row, "id")?;
    Ok(HostRow { is_here: id == here, id, name: get(row, "name")?, seen: seen(row)?, status: get(row, "status")? })
}

impl HostRows for Postgres {
    fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        self.read(|db| db.rows(ALL, &[])?.iter().map(|row| host(row, self.host().id())).collect())
    }

    fn beat(&self, version: &str, address: &str, started_at: UnixMs) -> Result<(), StoreError> {
        // No unit of work: said once more it is the same, and nobody waits for it to be told.
        self.read(|db| {
            db.run(
                "UPDATE hosts SET version = $2, address = $3, started_at = $4, seen_at = clock_timestamp(), left_at = NULL
                 WHERE id = $1",
                &[&self.host().id(), &version, &address, &started_at.0],
            )
            .map(drop)
        })
    }

    fn forget(&self, id: &str, entry: &Entry<'_>) -> Result<bool, StoreError> {
        self.write(&[], |unit| {
            let left =
                unit.run("UPDATE hosts SET left_at = now(), seen_at = NULL WHERE id = $1 AND left_at IS NULL", &[&id])?;
            if left == 0 {
                return Ok(false);
            }
            // Of this change others hear.
            unit.run("UPDATE services SET status = NULL WHERE host = $1", &[&id])?;
            // It comes to no start any more at which it would clear them away.
            unit.run("UPDATE unsettled_secrets SET host = $2 WHERE host = $1", &[&id, &self.host().id()])?;
            unit.record(entry);
            Ok(true)
        })
    }
}
