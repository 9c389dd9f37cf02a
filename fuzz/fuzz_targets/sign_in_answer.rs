//! The answer of a sign-in, as a link and as a form: from anybody, never a panic.
#![no_main]

use atthene_core::connections::Answer;
use atthene_core::identity::IDENTIFIER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = Answer::from_link(&text);
    let _ = Answer::from_link(&format!("{IDENTIFIER}://oauth/microsoft-abcdef/callback?{text}"));
    let _ = Answer::from_form(&text);
});
