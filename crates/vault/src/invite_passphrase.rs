//! The passphrase of an invite: read out on the telephone, typed once.

use rand::RngExt;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Without letters that are mistaken for digits, or heard for others in one case.
const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Six groups of four: 24 letters, 118 random bits.
const GROUPS: usize = 6;
const GROUP: usize = 4;
const LEN: usize = GROUPS * (GROUP + 1) - 1;
/// More than that was not typed by a person who reads it off.
const LONGEST: usize = 4 * LEN;

/// A new one.
///
/// # Panics
/// When the operating system has no random numbers.
pub(crate) fn generate() -> SecretString {
    let mut random = UnwrapErr(SysRng);
    grouped((0..GROUPS * GROUP).map(|_| LETTERS[random.random_range(0..LETTERS.len())]))
}

/// As it was made, however it was typed: with other spaces, without dashes, in capitals. `None`: it can't be one.
pub(crate) fn normal(typed: &SecretString) -> Option<SecretString> {
    let typed = typed.expose_secret();
    let letters = || typed.bytes().filter(|byte| !matches!(byte, b'-' | b' ' | b'\t' | b'\r' | b'\n'));
    let is_one = typed.len() <= LONGEST
        && letters().count() == GROUPS * GROUP
        && letters().all(|byte| LETTERS.contains(&byte.to_ascii_lowercase()));
    is_one.then(|| grouped(letters().map(|byte| byte.to_ascii_lowercase())))
}

fn grouped(letters: impl Iterator<Item = u8>) -> SecretString {
    let mut text = Zeroizing::new(String::with_capacity(LEN));
    for (at, letter) in letters.enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(letter));
    }
    SecretString::from(text.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_long_enough_and_read_however_it_is_typed() {
        let bits = f64::from(u8::try_from(LETTERS.len()).expect("few")).log2() * 24.0;
        assert!(bits > 110.0, "{bits}");
        let made = generate();
        let text = made.expose_secret();
        assert_eq!(text.len(), LEN);
        assert!(generate().expose_secret() != text);
        for typed in
            [text.to_owned(), text.to_uppercase(), text.replace('-', ""), format!(" {} ", text.replace('-', " - "))]
        {
            assert_eq!(normal(&typed.into()).expect("the same one").expose_secret(), text);
        }
        for other in
            [text[1..].to_owned(), format!("{text}a"), text.replace('-', "_"), text.replacen(&text[..1], "l", 1)]
        {
            assert!(normal(&other.into()).is_none());
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,150}") {
            prop_assert!(normal(&text.into()).is_none_or(|it| it.expose_secret().len() == LEN));
        }
    }
}
