//! The open database: units of work, and what becomes of them when they meet or a connection breaks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use atthene_core::activity::Entry;
use atthene_core::port::{SharedRows, Store, Watcher};
use atthene_core::{Error, Host, ProfileSecret, StoreError};
use rand::RngExt;
use secrecy::SecretString;

use super::address::Address;
use super::db::{Db, Within, get};
use super::engine::Engine;
use super::fault::Fault;
use super::mark::{Mark, Marks};
use super::pool::{Lent, Pool};
use super::record::{self, PendingEntry};
use super::revisions::{Topic, hold};
use super::{marks, migration, profile_secret, watch};

/// How long a unit of work may take, with all its repetitions.
const UNIT: Duration = Duration::from_secs(5);
/// How long it may be asked about afterwards, where its confirmation was lost.
const ASKING: Duration = Duration::from_secs(5);
/// How long one answer may take where all there is is read.
const ANSWER: Duration = Duration::from_secs(30);
/// How often a unit of work is begun at the most.
const ATTEMPTS: u32 = 10;
/// The pause before it is begun again, at the most: those that met must not meet again.
const PAUSE: Duration = Duration::from_millis(15);

/// A profile in a PostgreSQL database, as one of its hosts sees it.
pub struct Postgres {
    folder: PathBuf,
    host: Host,
    secret: ProfileSecret,
    /// That of a profile which was copied here since.
    copied_secret: OnceLock<ProfileSecret>,
    pool: Arc<Pool>,
    marks: Marks,
    /// What a batch of counters left of which is not known whether it was done.
    pub(super) counted_in_doubt: Mutex<Option<Mark>>,
}

impl Postgres {
    /// Opens the database at this URL for a host, and brings it to the newest format. What this host keeps for itself
    /// lies in `folder`.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`]: it may be tried again. [`StoreError::Newer`]: this version is too old.
    pub fn open(url: &SecretString, folder: &Path, host: &Host) -> Result<Self, Error> {
        let address = Address::read(url)?;
        let engine =
            Engine::start().map_err(|error| Error::Internal(format!("no thread for the database: {error}")))?;
        let pool = Arc::new(Pool::new(engine, address));
        migration::run(&pool, host)?;
        let (folder, host, marks) = (folder.to_owned(), host.clone(), Marks::new());
        let counted_in_doubt = Mutex::default();
        let (secret, copied_secret) = (ProfileSecret::from_row([0; 32]), OnceLock::new());
        let open = Self { folder, host, secret, copied_secret, pool, marks, counted_in_doubt };
        let secret = open.read(profile_secret::read)?;
        Ok(Self { secret, ..open })
    }

    /// The host that this is open for.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A profile of this secret was copied here.
    pub(super) fn has_become(&self, secret: ProfileSecret) {
        // There is one already: then nothing could be copied here.
        let _ = self.copied_secret.set(secret);
    }

    /// Runs `work` in one transaction while nobody else changes these topics. An error undoes everything; what met
    /// another one, or lost its connection before it was confirmed, is begun again.
    pub(super) fn write<T>(
        &self,
        topics: &[Topic],
        work: impl Fn(&Unit<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        Ok(self.try_write(topics, work)?)
    }

    /// The same, for whoever asks later what became of it.
    pub(super) fn try_write<T>(
        &self,
        topics: &[Topic],
        work: impl Fn(&Unit<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let until = Instant::now() + UNIT;
        self.again(until, || self.attempt(topics, &work, until))
    }

    fn again<T>(&self, until: Instant, attempt: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match attempt() {
                Err(fault) if fault.may_pass() && left > 0 && Instant::now() < until => {
                    if fault.ends_connection() {
                        self.pool.forget_idle();
                    }
                    std::thread::sleep(PAUSE.mul_f64(rand::rng().random_range(0.1..1.0)));
                }
                done => return done,
            }
        }
    }

    fn attempt<T>(
        &self,
        topics: &[Topic],
        work: &impl Fn(&Unit<'_>) -> Result<T, Fault>,
        until: Instant,
    ) -> Result<T, Fault> {
        let mark = self.marks.draw();
        let unconfirmed = {
            let lent = self.pool.lend(until)?;
            let unit =
                Unit { db: Db::new(lent.link()?, Within::Whole(until)), pending: record::PendingEntries::default() };
            let done = unit.begin(topics, &mark).and_then(|()| {
                let done = work(&unit)?;
                record::append(&unit.db, self.host.id(), unit.pending.take())?;
                Ok(done)
            });
            let done = match done {
                Ok(done) => done,
                Err(fault) => {
                    unit.undo(&fault, &lent)?;
                    return Err(fault);
                }
            };
            match unit.db.batch("COMMIT") {
                Ok(_) => return Ok(done),
                // The database undid it, and said so.
                Err(fault) if !fault.ends_connection() => return Err(fault),
                Err(fault) => (done, fault),
            }
        };
        self.pool.forget_idle();
        let (done, lost) = unconfirmed;
        match self.was_left(&mark) {
            Ok(true) => Ok(done),
            Ok(false) => Err(lost),
            Err(_) => Err(Fault::Unconfirmed { mark, why: lost.to_string() }),
        }
    }

    /// Whether a unit of work was done whose confirmation was lost.
    pub(super) fn was_left(&self, mark: &Mark) -> Result<bool, Fault> {
        let until = Instant::now() + ASKING;
        self.again(until, || {
            let lent = self.pool.lend(until)?;
            marks::was_left(&Db::new(lent.link()?, Within::Whole(until)), mark)
        })
    }

    /// The same as [`Self::write`] once, for what writes all there is: each answer has its own time.
    pub(super) fn write_beside<T>(
        &self,
        topics: &[Topic],
        work: impl FnOnce(&Unit<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mark = self.marks.draw();
        let link = self.pool.beside(Instant::now() + UNIT)?;
        let unit = Unit { db: Db::new(&link, Within::Each(ANSWER)), pending: record::PendingEntries::default() };
        unit.batch(UNHURRIED)?;
        unit.begin(topics, &mark)?;
        // Where it fails, the connection ends, and with it all that was written.
        let done = work(&unit)?;
        record::append(&unit.db, self.host.id(), unit.pending.take())?;
        match unit.batch("COMMIT") {
            Ok(_) => Ok(done),
            Err(lost) if lost.ends_connection() => match self.was_left(&mark) {
                Ok(true) => Ok(done),
                Ok(false) => Err(lost.into()),
                Err(_) => Err(Fault::Unconfirmed { mark, why: lost.to_string() }.into()),
            },
            Err(fault) => Err(fault.into()),
        }
    }

    /// Asks one question.
    pub(super) fn read<T>(&self, work: impl Fn(&Db<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let until = Instant::now() + UNIT;
        Ok(self.again(until, || {
            let lent = self.pool.lend(until)?;
            work(&Db::new(lent.link()?, Within::Whole(until)))
        })?)
    }

    /// The same for what lets others go first: asked again until it is its turn.
    pub(super) fn read_patiently<T>(&self, work: impl Fn(&Db<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let until = Instant::now() + UNIT;
        loop {
            match self.read(&work) {
                Err(StoreError::Locked) if Instant::now() < until => std::thread::sleep(PAUSE),
                done => return done,
            }
        }
    }

    /// Asks several questions that see the same.
    pub(super) fn view<T>(&self, work: impl Fn(&Db<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let until = Instant::now() + UNIT;
        Ok(self.again(until, || {
            let lent = self.pool.lend(until)?;
            let db = Db::new(lent.link()?, Within::Whole(until));
            in_one_view(&db, &lent, &work)
        })?)
    }

    /// The same for what reads all there is: each answer has its own time, and nobody waits for it.
    pub(super) fn view_beside<T>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let link = self.pool.beside(Instant::now() + UNIT)?;
        let db = Db::new(&link, Within::Each(ANSWER));
        let viewed = || {
            db.batch(&format!("{UNHURRIED}; {ONE_VIEW}"))?;
            work(&db)
        };
        // With the connection, the view ends.
        Ok(viewed()?)
    }

    /// A connection of the pool, for a view that is kept a while.
    pub(super) fn lend(&self) -> Result<Lent, StoreError> {
        Ok(self.pool.lend(Instant::now() + UNIT)?)
    }
}

/// What all questions until the end of a transaction see is the same.
pub(super) const ONE_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Whoever reads all there is stops in between for what is read to be written elsewhere.
const UNHURRIED: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'";

fn in_one_view<T>(db: &Db<'_>, lent: &Lent, work: impl Fn(&Db<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    db.batch(ONE_VIEW)?;
    let viewed = work(db);
    if db.batch("ROLLBACK").is_err() {
        lent.link()?.give_up();
    }
    viewed
}

/// One unit of work under way.
pub(super) struct Unit<'a> {
    db: Db<'a>,
    pending: record::PendingEntries,
}

impl Unit<'_> {
    fn begin(&self, topics: &[Topic], mark: &Mark) -> Result<(), Fault> {
        self.db.batch(&format!("BEGIN; {}; {}", mark.sql(), hold(topics))).map(drop)
    }

    fn undo(&self, fault: &Fault, lent: &Lent) -> Result<(), Fault> {
        // A connection whose state is not known is not used again.
        if fault.ends_connection() || self.db.batch("ROLLBACK").is_err() {
            lent.link()?.give_up();
        }
        Ok(())
    }

    /// Puts this on record when all else of the unit of work is done.
    pub(super) fn record(&self, entry: &Entry<'_>) {
        self.pending.push(PendingEntry::of(entry));
    }
}

impl<'a> std::ops::Deref for Unit<'a> {
    type Target = Db<'a>;

    fn deref(&self) -> &Db<'a> {
        &self.db
    }
}

impl Store for Postgres {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn profile_secret(&self) -> &ProfileSecret {
        self.copied_secret.get().unwrap_or(&self.secret)
    }

    fn shared(&self) -> Option<&dyn SharedRows> {
        Some(self)
    }

    fn watch(&self) -> Result<Box<dyn Watcher>, StoreError> {
        Ok(Box::new(watch::Hearing::begin(self.pool.clone(), self.read(super::revisions::read)?)?))
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        // What it leaves is its mark, in the place of an earlier one.
        self.write(&[], |_| Ok(()))
    }

    fn look_through(&self) -> Result<(), StoreError> {
        self.view_beside(|db| {
            let tables = db.rows(
                "SELECT quote_ident(one.relname) AS name FROM pg_class one JOIN pg_class known
                   ON one.relnamespace = known.relnamespace AND one.relowner = known.relowner
                 WHERE one.relkind = 'r' AND known.oid = 'revisions'::regclass",
                &[],
            )?;
            for table in tables {
                let name: String = get(&table, "name")?;
                // Each value of each row is read for it, and what can't be is an error.
                db.rows(&format!("SELECT count(length(t::text)) FROM {name} t"), &[])?;
            }
            Ok(())
        })
    }
}
