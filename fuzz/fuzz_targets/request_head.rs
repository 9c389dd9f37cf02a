//! Heads of requests: from anybody, never a panic, and nothing goes on that must not.
#![no_main]


use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    atthene_gateway::fuzzing::head(bytes);
});
