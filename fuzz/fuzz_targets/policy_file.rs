//! The policy file of a machine, as editors write it.
#![no_main]

use atthene_core::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Policy::from_bytes(bytes);
});
