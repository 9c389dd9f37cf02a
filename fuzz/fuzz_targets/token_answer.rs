//! What a token endpoint answers, and the id token in it.
#![no_main]


use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    atthene_identity::fuzzing::token_answer(bytes);
});
