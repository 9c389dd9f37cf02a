//! Texts that are presented as keys.
#![no_main]

use atthene_core::keys::{KEY_LEN, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(id) = parse(&text) {
        assert!(text.len() == KEY_LEN && text.starts_with("atk_") && id.len() == 10);
    }
});
