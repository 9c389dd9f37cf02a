//! Questions to the database, asked one after another from a thread that may wait.

use std::time::{Duration, Instant};

use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Row, SimpleQueryMessage};

use super::engine::wait_until;
use super::fault::Fault;
use super::link::Link;

pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How long the database may take.
#[derive(Clone, Copy)]
pub(super) enum Within {
    /// All of it ends by then.
    Whole(Instant),
    /// Each answer may take this long: for what reads all there is.
    Each(Duration),
}

pub(super) struct Db<'a> {
    link: &'a Link,
    within: Within,
}

impl<'a> Db<'a> {
    pub(super) fn new(link: &'a Link, within: Within) -> Self {
        Self { link, within }
    }

    fn until(&self) -> Instant {
        match self.within {
            Within::Whole(until) => until,
            Within::Each(span) => Instant::now() + span,
        }
    }

    fn seen<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &answer
            && (fault.ends_connection() || fault.may_pass())
        {
            // Also after a conflict: a statement that was prepared for other tables is forgotten with it.
            if fault.ends_connection() || matches!(fault, Fault::Said(said) if is_stale(said)) {
                self.link.give_up();
            }
        }
        answer
    }

    pub(super) fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let until = self.until();
        let asked = self.link.statement(sql, until).and_then(|statement| {
            Ok(wait_until(self.link.client.query(&statement, values), until).ok_or(Fault::Late)??)
        });
        self.seen(asked)
    }

    /// The first row, where there is one.
    pub(super) fn row(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql, values)?.into_iter().next())
    }

    /// The one row that there always is.
    pub(super) fn one(&self, sql: &str, values: Values<'_>) -> Result<Row, Fault> {
        self.row(sql, values)?.ok_or_else(|| Fault::Unreadable("a row that is always there is not".to_owned()))
    }

    /// How many rows it changed.
    pub(super) fn run(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let until = self.until();
        let asked = self.link.statement(sql, until).and_then(|statement| {
            Ok(wait_until(self.link.client.execute(&statement, values), until).ok_or(Fault::Late)??)
        });
        self.seen(asked)
    }

    /// Several statements without values, in one go.
    pub(super) fn batch(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Fault> {
        let asked = wait_until(self.link.client.simple_query(sql), self.until());
        self.seen(asked.ok_or(Fault::Late).and_then(|answer| Ok(answer?)))
    }
}

fn is_stale(said: &tokio_postgres::Error) -> bool {
    said.code() == Some(&tokio_postgres::error::SqlState::FEATURE_NOT_SUPPORTED)
}

/// The value of a column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Fault> {
    Ok(row.try_get(column)?)
}

/// A count of the database, which knows no numbers without a sign.
pub(super) fn count(row: &Row, column: &str) -> Result<u64, Fault> {
    Ok(get::<i64>(row, column)?.cast_unsigned())
}

/// How many rows are wanted, as the database counts.
pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
