//! What processes and the database have used up so far.

use anyhow::{Context, Result};
use atthene_test_support::databases;

/// The kernel counts a process's time in hundredths, everywhere on Linux.
const TICK_MS: f64 = 10.0;

/// The fields of `/proc/PID/stat` behind the name, from the state on.
fn stat(pid: u32) -> Result<Vec<i64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    let (_, rest) = text.rsplit_once(") ").context("no name")?;
    Ok(rest.split(' ').map(|field| field.trim().parse().unwrap_or_default()).collect())
}

fn ticks(fields: &[i64], which: std::ops::Range<usize>) -> f64 {
    let ticks: i64 = fields.get(which).unwrap_or_default().iter().sum();
    f64::from(i32::try_from(ticks).unwrap_or(i32::MAX))
}

/// Processor time of a process, in milliseconds.
pub(super) fn cpu_ms(pid: u32) -> Result<f64> {
    Ok(ticks(&stat(pid)?, 11..13) * TICK_MS)
}

/// What a server of this machine has done, since whenever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Database {
    pub(super) transactions: f64,
    /// Inserted, updated and deleted.
    pub(super) rows: f64,
    pub(super) log_bytes: f64,
    /// All of its processes, in milliseconds.
    pub(super) cpu_ms: f64,
}

const SO_FAR: &str = "
    SELECT pg_backend_pid() AS pid, (xact_commit + xact_rollback)::float8 AS transactions,
           (tup_inserted + tup_updated + tup_deleted)::float8 AS rows,
           (pg_current_wal_insert_lsn() - '0/0')::float8 AS log_bytes
    FROM pg_stat_database WHERE datname = current_database()";

impl Database {
    /// The transactions and rows are told by each of its processes once a second.
    pub(super) fn so_far(url: &str) -> Result<Self> {
        databases::asked(url, async |client| {
            let row = client.query_one(SO_FAR, &[]).await?;
            let own = u32::try_from(row.try_get::<_, i32>("pid")?)?;
            let parent = u32::try_from(*stat(own)?.get(1).context("no parent")?)?;
            Ok(Self {
                transactions: row.try_get("transactions")?,
                rows: row.try_get("rows")?,
                log_bytes: row.try_get("log_bytes")?,
                cpu_ms: family_ms(parent)?,
            })
        })
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        self.map(before, |now, before| now - before)
    }

    /// Of so much of it, one.
    pub(super) fn each(&self, of: f64) -> Self {
        self.map(self, |all, _| all / of)
    }

    fn map(&self, other: &Self, with: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            transactions: with(self.transactions, other.transactions),
            rows: with(self.rows, other.rows),
            log_bytes: with(self.log_bytes, other.log_bytes),
            cpu_ms: with(self.cpu_ms, other.cpu_ms),
        }
    }
}

/// A process, its children, and those that it had.
fn family_ms(parent: u32) -> Result<f64> {
    let mut all = ticks(&stat(parent)?, 11..15);
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended meanwhile; its parent counts it then.
        let Ok(fields) = stat(pid) else { continue };
        if fields.get(1) == Some(&i64::from(parent)) {
            all += ticks(&fields, 11..13);
        }
    }
    Ok(all * TICK_MS)
}
