//! A backup, which may come from anybody.
#![no_main]

use std::sync::LazyLock;

use atthene_core::port::backup::Backup;
use atthene_store::Sqlite;
use libfuzzer_sys::fuzz_target;

static STORE: LazyLock<(tempfile::TempDir, Sqlite)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).expect("opens");
    (folder, store)
});

fuzz_target!(|bytes: &[u8]| {
    let (folder, store) = &*STORE;
    let file = folder.path().join("fuzzed");
    std::fs::write(&file, bytes).expect("written");
    let _ = store.read_backup(&file);
});
