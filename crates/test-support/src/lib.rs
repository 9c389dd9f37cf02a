//! What the tests of several crates share: profiles with a clock that moves, keychains that can be looked
//! into, an authority that answers as a test says. Real rows and real threads throughout: in SQLite, or in PostgreSQL
//! where [`databases::SERVER`] says so.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::new_without_default,
    clippy::must_use_candidate,
    clippy::implicit_hasher,
    reason = "for tests"
)]

pub mod authority;
pub mod caller;
pub mod databases;
#[cfg(target_os = "linux")]
pub mod fleet;
pub mod graph;
pub mod hosts;
#[cfg(target_os = "linux")]
pub mod installation;
mod lenient;
pub mod line;
pub mod machine;
pub mod mailbox;
pub mod raw_rows;
pub mod runtime;
#[cfg(target_os = "linux")]
pub mod space;
pub mod strict_authority;
pub mod vaults;
pub mod world;

pub use atthene_test_cluster::ports;

use std::path::Path;
use std::sync::Arc;

use atthene_core::identity::Profile;
use atthene_core::port::Store;
use atthene_core::{Actor, Clock, Core, Environment, Error, Policy};
use atthene_identity::{Network, Platforms};
use atthene_vault::{SecretStore, VaultThread};

/// Leaves a test that is about SQLite's file, where profiles lie in PostgreSQL; says why.
#[macro_export]
macro_rules! sqlite_only {
    ($why:literal) => {
        if $crate::databases::server().is_some() {
            eprintln!("not on PostgreSQL: {}", $why);
            return;
        }
    };
}

/// Leaves a test that is about PostgreSQL, where there is no server for it.
#[macro_export]
macro_rules! postgres_only {
    () => {
        if $crate::databases::server().is_none() {
            eprintln!("nothing was checked: {} names no server", $crate::databases::SERVER);
            return;
        }
    };
}

/// What is outside of a profile in this folder: its rows, this clock and vault, no policy, at the window.
pub fn environment(folder: &Path, clock: Clock, vault: impl SecretStore + 'static) -> Result<Environment, Error> {
    Ok(environment_on(databases::open(folder)?, clock, vault))
}

/// The same with these rows.
pub fn environment_on(store: Arc<dyn Store>, clock: Clock, vault: impl SecretStore + 'static) -> Environment {
    let http = Arc::new(Network::default());
    Environment {
        store,
        vault: Arc::new(VaultThread::new(vault).expect("a thread")),
        identity: Arc::new(Platforms::new(http.clone())),
        http,
        clock,
        policy: Policy::default(),
        actor: Actor::Window,
        os_user: None,
        leases: None,
    }
}

/// Opens the profile in this folder.
pub fn open(folder: &Path, clock: Clock, vault: impl SecretStore + 'static) -> Result<Arc<Core>, Error> {
    Core::open(&Profile::at(folder), environment(folder, clock, vault)?)
}
