//! A profile that one machine had for itself, copied to a database that none is in yet.

use atthene_core::activity::Chain;
use atthene_core::{ProfileSecret, StoreError};
use tokio_postgres::types::ToSql;

use super::database::{Postgres, Unit};
use super::db::{count, get};
use super::fault::Fault;
use super::revisions::Topic;
use super::verify::verify;
use crate::copied::{Column, CopiedTable, Source, ValueKind};
use crate::copied_tables::{RECORD, TABLES};
use crate::sqlite::Sqlite;

/// Nothing of a profile changes on any host while one is copied.
const TOPICS: &[Topic] = &[Topic::Approvals, Topic::Connections, Topic::Integrations, Topic::Keys, Topic::Settings];

/// The lease that a host has on a database into which it copied a profile, until it takes part in that.
const UNFINISHED: &str = "Copied profile that nobody takes part in yet";

/// What was copied, seen to be there before it was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What people call the rows of each table, and how many there are, here as where they came from.
    pub tables: Vec<(&'static str, u64)>,
    /// Rows of the record, which was walked from its first to its last.
    pub record: u64,
}

impl Postgres {
    /// Copies a profile of this machine into this database, which no profile is in yet: all of it or nothing. Where this
    /// host has copied one before and not come to [`Self::finish_import`], that is deleted first. Its record
    /// becomes the first part of this host's chain. Left out is what a process is in the middle of: sign-ins under way,
    /// secrets between two steps, what the service does. Its secrets are not among its rows.
    ///
    /// The database gets the secret that the profile was born with, and so does this; whoever else on this machine has
    /// the database open, opens it again.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]: somebody uses this database. [`StoreError::NotTakenOver`]: a row is no row of
    /// this format, or the record is not as it was written.
    pub fn import(&self, from: &Sqlite) -> Result<Imported, StoreError> {
        let host = self.host().id();
        let (imported, secret) = from.copied(|source| {
            let secret = ProfileSecret::from_row(source.secret()?);
            let imported = self.write_beside(TOPICS, |unit| {
                alone(unit, host)?;
                empty_unfinished(unit, host)?;
                refuse_used(unit)?;
                begin_unfinished(unit, host)?;
                unit.run("UPDATE profile_secret SET secret = $1", &[&secret.bytes().as_slice()])?;
                copy_all(unit, host, source)
            })?;
            Ok((imported, secret))
        })?;
        self.has_become(secret);
        Ok(imported)
    }

    /// This host takes part in what it copied: from here on it is nobody's to delete. Done twice it is no error.
    pub fn finish_import(&self) -> Result<(), StoreError> {
        let host = self.host().id();
        // Asked at each start, and nearly always there is nothing to write.
        let asked = "SELECT 1 FROM leases WHERE name = $1 AND holder = $2";
        if self.read(|db| db.row(asked, &[&UNFINISHED, &host]))?.is_some() {
            let ended = "UPDATE leases SET holder = NULL WHERE name = $1 AND holder = $2";
            self.write(&[], |unit| unit.run(ended, &[&UNFINISHED, &host]).map(drop))?;
        }
        Ok(())
    }
}

fn all_tables() -> String {
    let names: Vec<&str> = TABLES.iter().map(|table| table.table).collect();
    names.join(", ")
}

/// From here on nobody writes to any of the tables, and nobody else takes part.
fn alone(unit: &Unit<'_>, host: &str) -> Result<(), StoreError> {
    unit.batch(&format!("LOCK TABLE hosts, chains, {} IN SHARE ROW EXCLUSIVE MODE", all_tables()))?;
    // It knows this profile by another secret, and checks keys with that.
    if let Some(other) = unit.row("SELECT name FROM hosts WHERE id <> $1 AND left_at IS NULL", &[&host])? {
        let name: &str = get(&other, "name")?;
        return Err(StoreError::NotEmpty { what: format!("another host ({name})") });
    }
    Ok(())
}

/// What this host copied and never took part in is in nobody's use: its own profile has gone on since.
fn empty_unfinished(unit: &Unit<'_>, host: &str) -> Result<(), Fault> {
    if unit.row("SELECT 1 FROM leases WHERE name = $1 AND holder = $2", &[&UNFINISHED, &host])?.is_some() {
        unit.batch(&format!(
            "TRUNCATE activity_cuts, secrets, unsettled_secrets, {};
             UPDATE chains SET id = NULL, hash = NULL, appended = 0, linked_at = NULL, unlinked = 0",
            all_tables()
        ))?;
    }
    Ok(())
}

fn begin_unfinished(unit: &Unit<'_>, host: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO leases (name, holder, until, fence) VALUES ($1, $2, 'infinity', 1)
               ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = 'infinity', fence = leases.fence + 1";
    unit.run(sql, &[&UNFINISHED, &host]).map(drop)
}

fn refuse_used(unit: &Unit<'_>) -> Result<(), StoreError> {
    for table in TABLES {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {}) AS used", table.table);
        if get(&unit.one(&sql, &[])?, "used")? {
            return Err(StoreError::NotEmpty { what: table.rows.to_owned() });
        }
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM chains WHERE id IS NOT NULL) AS used";
    if get(&unit.one(sql, &[])?, "used")? {
        return Err(StoreError::NotEmpty { what: "a record".to_owned() });
    }
    Ok(())
}

fn copy_all(unit: &Unit<'_>, host: &str, source: &dyn Source) -> Result<Imported, StoreError> {
    let mut imported = Imported { tables: Vec::new(), record: 0 };
    for table in TABLES {
        let there = source.count(table)?;
        copy(unit, host, source, table).map_err(|error| not_taken(table.rows, error))?;
        let here = count(&unit.one(&format!("SELECT count(*) AS n FROM {}", table.table), &[])?, "n")?;
        if here != there {
            let reason = format!("there are {there}, and {here} arrived");
            return Err(StoreError::NotTakenOver { what: table.rows.to_owned(), reason });
        }
        imported.tables.push((table.rows, here));
        if table.table == RECORD {
            imported.record = here;
        }
    }
    begin_chain(unit, host, source, imported.record)?;
    go_on_counting(unit, host)?;
    match verify(unit)? {
        Chain::Sound { rows } if rows == imported.record => Ok(imported),
        broken => {
            let reason = format!("it is not as it was written ({broken:?})");
            Err(StoreError::NotTakenOver { what: "record".to_owned(), reason })
        }
    }
}

/// What is no fault of the network is one of the rows.
fn not_taken(what: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Failed(reason) => StoreError::NotTakenOver { what: what.to_owned(), reason: reason.to_string() },
        other => other,
    }
}

fn copy(unit: &Unit<'_>, host: &str, source: &dyn Source, table: &CopiedTable) -> Result<(), StoreError> {
    let sql = insertion(table);
    let mut copied: Result<(), Fault> = Ok(());
    source.read(table, &mut |columns| {
        let mut values: Vec<&(dyn ToSql + Sync)> = columns.iter().map(value).collect();
        if table.of_host {
            values.push(&host);
        }
        copied = unit.run(&sql, &values).map(drop);
        copied.is_ok()
    })?;
    Ok(copied?)
}

fn value(column: &Column) -> &(dyn ToSql + Sync) {
    match column {
        Column::Whole(values) => values,
        Column::Text(values) => values,
        Column::Truth(values) => values,
        Column::Bytes(values) => values,
    }
}

/// The statement that adds as many rows as its columns have values, in their order.
fn insertion(table: &CopiedTable) -> String {
    let mut names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let places: Vec<String> = (1..).zip(table.columns).map(|(place, (_, kind))| array(place, *kind)).collect();
    let read = names.join(", ");
    let host = format!("${}::text", names.len() + 1);
    let mut selected = names.clone();
    if table.of_host {
        names.push("host");
        selected.push(&host);
    }
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE
         SELECT {} FROM unnest({}) WITH ORDINALITY AS source ({read}, place) ORDER BY place",
        table.table,
        names.join(", "),
        selected.join(", "),
        places.join(", "),
    )
}

fn array(place: usize, kind: ValueKind) -> String {
    let of = match kind {
        ValueKind::Whole => "bigint",
        ValueKind::Text => "text",
        ValueKind::Truth => "boolean",
        ValueKind::Bytes => "bytea",
    };
    format!("${place}::{of}[]")
}

/// What stands before the first row of a chain that began on a machine which had its profile for itself.
const BEGINNING: [u8; 32] = [0; 32];

/// The record goes on where it ended. What was cut off it carries its hash on, and what stands before its first row does
/// so, too: that row knows of no host.
fn begin_chain(unit: &Unit<'_>, host: &str, source: &dyn Source, rows: u64) -> Result<(), StoreError> {
    let Some((head, hash)) = source.head()? else { return Ok(()) };
    let (cut, before) = source.cut()?.unwrap_or((0, BEGINNING.to_vec()));
    unit.run("INSERT INTO activity_cuts VALUES ($1, $2, $3)", &[&host, &cut, &before])?;
    unit.run(
        "UPDATE chains SET id = $2, hash = $3, appended = appended + $4 WHERE host = $1",
        &[&host, &head, &hash, &rows.cast_signed()],
    )?;
    Ok(())
}

/// Numbers that are given from here on follow those that came along.
fn go_on_counting(unit: &Unit<'_>, host: &str) -> Result<(), Fault> {
    for table in [RECORD, "callers"] {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id))::text FROM {table} HAVING max(id) >= 1"
        );
        unit.rows(&sql, &[])?;
    }
    unit.run("UPDATE hosts SET counted = counted + 1 WHERE id = $1", &[&host]).map(drop)
}
