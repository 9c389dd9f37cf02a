//! Migrations: in order, never edited once landed, all of them or none. A copy before them is the database's own
//! affair: its administrators have backups of it.

use std::time::{Duration, Instant};

use atthene_core::{Error, Host, ProfileSecret, StoreError};

use super::db::{Db, Within, get};
use super::fault::Fault;
use super::locks::{UPDATING, take};
use super::pool::Pool;
use super::profile_secret;

const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_all_so_far.sql")];

/// How long an update may take, and how long a host waits for another one that runs it.
const UPDATE: Duration = Duration::from_mins(2);

/// One host at a time looks and updates: any others wait for the end of its transaction.
const ALONE: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = '10s';
                     BEGIN";

/// Brings the database to the newest format, and enters this host.
pub(super) fn run(pool: &Pool, host: &Host) -> Result<(), Error> {
    let secret = ProfileSecret::generate()?;
    let until = Instant::now() + UPDATE;
    let link = pool.beside(until).map_err(StoreError::from)?;
    let db = Db::new(&link, Within::Whole(until));
    let found = migrate(&db, &secret, host).map_err(StoreError::from)?;
    if found > known() {
        return Err(StoreError::Newer { found, known: known() }.into());
    }
    Ok(())
}

/// The format of a database of this version: how many migrations it has seen.
fn known() -> i64 {
    MIGRATIONS.len().try_into().unwrap_or(i64::MAX)
}

/// Returns the format that was found; one that is not known is left as it is.
fn migrate(db: &Db<'_>, secret: &ProfileSecret, host: &Host) -> Result<i64, Fault> {
    db.batch(ALONE)?;
    db.rows(&take(UPDATING), &[])?;
    // Asked first: whoever may only use the tables may not make one, not even where it is there.
    if get(&db.one("SELECT to_regclass('format') IS NULL AS is_new", &[])?, "is_new")? {
        db.batch("CREATE TABLE format (n bigint NOT NULL)")?;
    }
    let found = db.row("SELECT n FROM format", &[])?.map_or(Ok(0), |row| get::<i64>(&row, "n"))?;
    if found > known() {
        return Ok(found);
    }
    for sql in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        db.batch(sql)?;
    }
    if found < known() {
        db.run("DELETE FROM format", &[])?;
        db.run("INSERT INTO format VALUES ($1)", &[&known()])?;
    }
    profile_secret::make(db, secret)?;
    db.run(
        "INSERT INTO hosts (id, name) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, left_at = NULL
         WHERE hosts.name <> excluded.name OR hosts.left_at IS NOT NULL",
        &[&host.id(), &host.name()],
    )?;
    for table in ["chains", "services"] {
        db.run(&format!("INSERT INTO {table} (host) VALUES ($1) ON CONFLICT DO NOTHING"), &[&host.id()])?;
    }
    db.batch("COMMIT")?;
    Ok(found)
}
