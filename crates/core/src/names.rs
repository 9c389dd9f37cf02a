//! Names that people give, and characters that would make them lie.

const LONGEST_NAME: usize = 80;

/// A name of 1 to 80 characters in any script, trimmed. Refuses what would make the list
/// lie: control characters, line separators and bidirectional overrides (Unicode TR36, 2.4).
pub fn checked_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Err("is empty");
    }
    if name.chars().count() > LONGEST_NAME {
        return Err("is longer than 80 characters");
    }
    if name.chars().any(is_misleading) {
        return Err("holds a control character, which can't be shown");
    }
    Ok(name.to_owned())
}

const LONGEST_NOTE: usize = 200;

/// A line of at most 200 characters, trimmed; it may be empty. Refused is what a name can't hold either.
pub fn checked_note(note: &str) -> Result<String, &'static str> {
    let note = note.trim();
    if note.chars().count() > LONGEST_NOTE {
        return Err("is longer than 200 characters");
    }
    if note.chars().any(is_misleading) {
        return Err("holds a control character, which can't be shown");
    }
    Ok(note.to_owned())
}

/// Whether a character would make a line lie (Unicode TR36, 2.4): controls, separators of lines, whatever changes the
/// direction in which a line is read (UAX 9, 2), and letters that are not seen at all (tags).
pub fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_pass_and_are_trimmed() {
        for name in ["CI", "مفتاح الإنتاج", "生产密钥", "🔑🗝️", &"𝒦".repeat(80)] {
            assert_eq!(checked_name(&format!("  {name} ")).expect("a good name"), name);
        }
    }

    #[test]
    fn names_that_can_not_be_shown_are_refused() {
        for name in ["", "   ", "a\0b", "a\nb", "a\u{1b}[31m", "evil\u{202e}txt", "a\u{2066}b", &"x".repeat(81)] {
            assert!(checked_name(name).is_err(), "{name:?}");
        }
    }
}
