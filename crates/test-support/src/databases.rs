//! Where the rows of test profiles lie: in a file of `SQLite`, or each in a database of its own on a PostgreSQL server.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use atthene_core::identity::Profile;
use atthene_core::port::Store;
use atthene_core::{Error, Host};
use atthene_store::{DATABASE_FILE, Postgres, Sqlite};
use rand::distr::{Alphabetic, SampleString};
use secrecy::SecretString;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// Names a server on which databases may be created, as `postgres://USER:PASSWORD@HOST:PORT`.
pub const SERVER: &str = "ATTHENE_TEST_POSTGRES";

/// The server; `None`: rows lie in SQLite.
pub fn server() -> Option<String> {
    std::env::var(SERVER).ok().filter(|url| !url.is_empty()).map(|url| url.trim_end_matches('/').to_owned())
}

/// Whether the profile in this folder lies, or would lie, in a file of its own: one that is there stays.
pub fn lies_in_file(folder: &Path) -> bool {
    server().is_none() || folder.join(DATABASE_FILE).exists()
}

/// Opens the rows of the profile in this folder, whichever process made them.
pub fn open(folder: &Path) -> Result<Arc<dyn Store>, Error> {
    if lies_in_file(folder) {
        return Ok(Arc::new(Sqlite::open(folder)?));
    }
    let host = Host::of(folder, "a machine of the tests").expect("a folder");
    Ok(Arc::new(open_as(&made(folder), folder, &host)?))
}

/// Opens a database as one of its hosts.
pub fn open_as(url: &str, folder: &Path, host: &Host) -> Result<Postgres, Error> {
    Postgres::open(&SecretString::from(url), folder, host)
}

/// The database of this folder, made where it is missing; its URL.
pub fn made(folder: &Path) -> String {
    let name = name_of(folder);
    make(&server().expect("a server"), &name, Some(template()));
    url_of(&name)
}

/// An empty database that nobody has opened yet; its URL.
pub fn empty() -> String {
    empty_on(&server().expect("a server"))
}

/// An empty database on this server; its URL.
pub fn empty_on(server: &str) -> String {
    let name = format!("atthene_{}", random());
    make(server, &name, None);
    format!("{server}/{name}")
}

/// Drops the database of this folder, whoever is in there.
pub fn forget(folder: &Path) {
    if server().is_some() {
        drop_at(&name_of(folder));
    }
}

/// Drops the database at this URL, whoever is in there.
pub fn drop_at(url: &str) {
    let name = url.rsplit('/').next().expect("a name");
    run(&url_of("postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
}

fn name_of(folder: &Path) -> String {
    format!("atthene_{}", Profile::at(folder).folder_id())
}

fn random() -> String {
    Alphabetic.sample_string(&mut rand::rng(), 16).to_lowercase()
}

/// The URL of a database on the server.
pub fn url_of(name: &str) -> String {
    format!("{}/{name}", server().expect("a server"))
}

/// A database that was brought to the newest format by this process, without what a profile is born with.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = format!("atthene_template_{}", random());
        make(&server().expect("a server"), &name, None);
        let folder = tempfile::tempdir().expect("a folder");
        let host = Host::of(folder.path(), "nobody").expect("a host");
        drop(open_as(&url_of(&name), folder.path(), &host).expect("opens"));
        run(&url_of(&name), "DELETE FROM profile_secret; DELETE FROM hosts; DELETE FROM chains; DELETE FROM services");
        // A database that somebody is in can't be copied.
        run(
            &url_of("postgres"),
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        );
        name
    })
}

fn make(server: &str, name: &str, template: Option<&str>) {
    let like = template.map(|template| format!("TEMPLATE {template}")).unwrap_or_default();
    asked(&format!("{server}/postgres"), async move |client| {
        match client.batch_execute(&format!("CREATE DATABASE {name} {like}")).await {
            // By another thread, or another process on this folder.
            Err(error)
                if matches!(error.code(), Some(&(SqlState::DUPLICATE_DATABASE | SqlState::UNIQUE_VIOLATION))) => {}
            made => made.expect("a database"),
        }
    });
}

/// Runs statements as whoever may do anything.
pub fn run(url: &str, sql: &str) {
    asked(url, async move |client| client.batch_execute(sql).await.expect(sql));
}

/// How many rows this finds, to whoever may do anything.
pub fn count(url: &str, sql: &str) -> usize {
    asked(url, async move |client| client.query(sql, &[]).await.expect(sql).len())
}

/// Asks on a thread of its own: tests wait inside of runtimes, too.
pub fn asked<T: Send>(url: &str, ask: impl AsyncFnOnce(Client) -> T + Send) -> T {
    let asked = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
            let connection = tokio::spawn(connection);
            let answer = ask(client).await;
            // Gone from the server, too: a database that somebody is in can't be copied.
            connection.await.expect("ends").expect("ends well");
            answer
        })
    };
    std::thread::scope(|scope| scope.spawn(asked).join().expect("asks"))
}
