//! Hosts that share a database.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::identity::Profile;
use atthene_core::{Clock, Core, Host};
use atthene_store::Postgres;
use atthene_test_support::{databases, environment_on};
use atthene_vault::MemoryVault;

/// A database, and a folder for each host.
pub struct Fleet {
    pub url: String,
    folders: Vec<tempfile::TempDir>,
}

impl Fleet {
    pub fn new(hosts: usize) -> Self {
        let folders: Vec<_> = (0..hosts).map(|_| tempfile::tempdir().expect("a folder")).collect();
        Self { url: databases::made(folders[0].path()), folders }
    }

    pub fn host(&self, at: usize) -> Host {
        Host::of(self.folders[at].path(), format!("host {at}")).expect("a host")
    }

    /// The rows as this host has them, through another address of the database where there is one.
    pub fn open_at(&self, at: usize, url: &str) -> Postgres {
        databases::open_as(url, self.folders[at].path(), &self.host(at)).expect("opens")
    }

    pub fn open(&self, at: usize) -> Postgres {
        self.open_at(at, &self.url)
    }

    pub fn core(&self, at: usize) -> Arc<Core> {
        self.core_on(at, Arc::new(self.open(at)))
    }

    pub fn core_on(&self, at: usize, store: Arc<Postgres>) -> Arc<Core> {
        let environment = environment_on(store, Clock::system(), MemoryVault::default());
        Core::open(&Profile::at(self.folders[at].path()), environment).expect("opens")
    }

    pub fn run(&self, sql: &str) {
        databases::run(&self.url, sql);
    }

    /// How many notifications come on this channel within this time.
    pub fn notifications(&self, channel: &str, span: Duration) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(count(&self.url, channel, span))
    }

    pub fn number(&self, sql: &str) -> i64 {
        databases::asked(&self.url, async move |client| client.query_one(sql, &[]).await.expect(sql).get(0))
    }
}

async fn count(url: &str, channel: &str, span: Duration) -> usize {
    let (client, mut connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("connects");
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if matches!(message, tokio_postgres::AsyncMessage::Notification(_)) && tell.send(()).is_err() {
                return;
            }
        }
    });
    client.batch_execute(&format!("LISTEN {channel}")).await.expect("listens");
    let (mut count, until) = (0, tokio::time::Instant::now() + span);
    while let Ok(Some(())) = tokio::time::timeout_at(until, told.recv()).await {
        count += 1;
    }
    count
}

impl Drop for Fleet {
    fn drop(&mut self) {
        databases::forget(self.folders[0].path());
    }
}
