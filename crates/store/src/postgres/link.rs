//! One connection to the database.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio_postgres::{Client, Statement};

use super::address::Address;
use super::engine::{Engine, wait_until};
use super::fault::Fault;

/// How long all of it may take: name, network, encryption, password.
pub(super) const OPENING: Duration = Duration::from_secs(3);

/// The database gives up by itself, also where this host can't tell it to: whoever stops in the middle of a unit of
/// work holds up the others for two seconds at the most, and those wait longer than that.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '4s'; \
                      SET idle_in_transaction_session_timeout = '2s'; SET client_min_messages = warning; \
                      SET standard_conforming_strings = on; SET timezone = 'UTC'";

pub(super) struct Link {
    pub(super) client: Client,
    task: AbortHandle,
    statements: RefCell<HashMap<String, Statement>>,
    is_sound: Cell<bool>,
}

impl Link {
    pub(super) fn open(engine: &Engine, address: &Address, until: Instant) -> Result<Self, Fault> {
        let ended = || Fault::Away("this program ends".to_owned());
        let handle = engine.handle().ok_or_else(ended)?;
        let until = until.min(Instant::now() + OPENING);
        let connecting = handle.spawn({
            let address = address.clone();
            async move {
                let (client, connection) = address.config.connect(address.encryption).await?;
                // What it ends by is told to whoever asks next.
                let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
                client.batch_execute(LIMITS).await?;
                Ok((client, task))
            }
        });
        let aborts = connecting.abort_handle();
        let connected = wait_until(connecting, until).ok_or_else(|| {
            aborts.abort();
            Fault::Away("it gave no answer".to_owned())
        })?;
        let (client, task) =
            connected.map_err(|_| ended())?.map_err(|error: tokio_postgres::Error| away(error.into()))?;
        Ok(Self { client, task, statements: RefCell::default(), is_sound: Cell::new(true) })
    }

    /// Whether it may be used once more.
    pub(super) fn is_sound(&self) -> bool {
        self.is_sound.get() && !self.client.is_closed()
    }

    /// It is not used again: an answer that is late could be taken for that of the next question.
    pub(super) fn give_up(&self) {
        self.is_sound.set(false);
        self.task.abort();
    }

    pub(super) fn statement(&self, sql: &str, until: Instant) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = wait_until(self.client.prepare(sql), until).ok_or(Fault::Late)??;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.is_sound.get() {
            self.task.abort();
        }
    }
}

/// Whatever a database says to somebody who comes in, no connection was made.
fn away(fault: Fault) -> Fault {
    Fault::Away(fault.to_string())
}
