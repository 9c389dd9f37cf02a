//! What lies in the rows of a fleet, whoever wrote it.
#![no_main]

use std::sync::LazyLock;

use atthene_core::port::SealedRows;
use atthene_vault::{FleetKey, MemoryRows, open_sealed, put_in_force};
use libfuzzer_sys::fuzz_target;

/// A key, and how a value of it begins.
static FLEET: LazyLock<(FleetKey, Vec<u8>)> = LazyLock::new(|| {
    let (rows, key) = (MemoryRows::default(), FleetKey::generate());
    put_in_force(&rows, &key, "profile").expect("begins");
    let (_, sealed) = rows.all().expect("reads").remove(0);
    (key, sealed[..9].to_vec())
});

fuzz_target!(|bytes: &[u8]| {
    let (key, head) = &*FLEET;
    assert!(open_sealed(key, "profile", "entry", bytes).is_err());
    assert!(open_sealed(key, "profile", "entry", &[head.as_slice(), bytes].concat()).is_err());
});
