//! An invite to a fleet, which may come from anybody.
#![no_main]

use atthene_vault::open_invite;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Of the right form, so that the file is looked at.
    assert!(open_invite(bytes, &"aaaa-aaaa-aaaa-aaaa-aaaa-aaaa".into()).is_err());
});
