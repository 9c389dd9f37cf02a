//! The one printer. Names, paths and messages come out of strangers' mouths, and a terminal obeys what it reads: no
//! control character and none that changes the direction of a line leaves here, however it got into a text.

use std::fmt::Write as _;
use std::io::{self, Write};

use atthene_core::names::is_misleading;

/// What stands where a character was that is not printed.
const IN_ITS_PLACE: char = char::REPLACEMENT_CHARACTER;

/// Writes text to people: lines and tabs, and nothing else that a terminal obeys.
pub(crate) struct Plain<W: Write> {
    to: W,
    /// The beginning of a character whose rest comes with the next write.
    begun: Vec<u8>,
}

impl<W: Write> Plain<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, begun: Vec::new() }
    }

    /// A look of our own: never a text that came from elsewhere.
    pub(crate) fn style(&mut self, sequence: &'static str) -> io::Result<()> {
        self.to.write_all(sequence.as_bytes())
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.begun.len());
        let mut rest = self.begun.as_slice();
        while !rest.is_empty() {
            let (good, after) = match str::from_utf8(rest) {
                Ok(good) => (good, &[][..]),
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    let good = str::from_utf8(good).unwrap_or_default();
                    let Some(length) = error.error_len() else {
                        text.extend(good.chars().map(printed));
                        rest = bad;
                        break;
                    };
                    text.extend(good.chars().map(printed));
                    text.push(IN_ITS_PLACE);
                    rest = &bad[length..];
                    continue;
                }
            };
            text.extend(good.chars().map(printed));
            rest = after;
        }
        self.begun = rest.to_vec();
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn printed(c: char) -> char {
    if is_misleading(c) && !matches!(c, '\n' | '\t') { IN_ITS_PLACE } else { c }
}

/// A text that is one cell of a table, or one part of a line.
pub(crate) fn cell(text: &str) -> String {
    text.chars().map(|c| if is_misleading(c) { IN_ITS_PLACE } else { c }).collect()
}

/// JSON whose texts hold no such character either: written as escapes, which a reader of JSON reads as the same text.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // The line ends between its lines are its own; those in texts are escapes already.
        if is_misleading(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\u{1b}]0;owned\u{7}\u{1b}[31mb\u{9b}31mc\u{202e}d\u{200f}e\u{7f}f\rg\u{85}h\u{2028}i";

    #[test]
    fn k8_nothing_that_a_terminal_obeys_is_printed() {
        let mut out = Vec::new();
        writeln!(Plain::new(&mut out), "{EVIL}\tü").expect("writes");
        let text = String::from_utf8(out).expect("text");
        assert!(text.chars().all(|c| !is_misleading(c) || matches!(c, '\n' | '\t')), "{text:?}");
        assert!(text.contains("owned") && text.ends_with("\tü\n"), "{text:?}");
        assert!(!cell("a\nb\tc").contains(['\n', '\t']));
    }

    #[test]
    fn k8_characters_in_two_writes_and_bytes_that_are_none_come_through() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        for byte in "ü€🔑\u{9b}".as_bytes() {
            plain.write_all(&[*byte]).expect("writes");
        }
        plain.write_all(b"\xff\xfeok").expect("writes");
        assert_eq!(String::from_utf8(out).expect("text"), "ü€🔑\u{fffd}\u{fffd}\u{fffd}ok");
    }

    #[test]
    fn k8_json_reads_back_as_the_same_text() {
        let json = serde_json::to_string_pretty(&serde_json::json!({ "name": EVIL })).expect("JSON");
        let safe = escaped(&json);
        assert!(safe.chars().all(|c| !is_misleading(c) || c == '\n'), "{safe:?}");
        let back: serde_json::Value = serde_json::from_str(&safe).expect("JSON");
        assert_eq!(back["name"], EVIL);
    }
}
