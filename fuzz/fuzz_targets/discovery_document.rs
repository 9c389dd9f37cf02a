//! What an authority says of itself.
#![no_main]


use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    atthene_identity::fuzzing::document(bytes);
});
