//! Text that others wrote: without what is not seen, and never longer than it may be.

use super::shorten::CUT;

/// What a list shows of a subject, a preview and a name.
pub(super) const SUBJECT: usize = 200;
pub(super) const PREVIEW: usize = 300;
pub(super) const NAME: usize = 120;

/// Whether a reader can't see it: it turns the writing round, has no width, or hides another text.
fn is_hidden(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t');
    let marks = matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}');
    control
        || marks
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// What can be seen of a text, as long as it is.
pub(super) fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

/// What can be seen, cut after so many characters; a cut is told.
pub(super) fn clean(text: &str, most: usize) -> String {
    cut(&visible(text), most, text.ends_with(CUT))
}

/// The same in one line.
pub(super) fn line(text: &str, most: usize) -> String {
    let line = visible(&text.replace(['\n', '\t'], " ")).split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, most, text.ends_with(CUT))
}

/// `goes_on`: there was more than was read.
fn cut(text: &str, most: usize, goes_on: bool) -> String {
    let Some((at, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let more = text[at..].chars().count();
    format!("{}… ({}{more} more characters)", &text[..at], if goes_on { "over " } else { "" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_seen_is_taken_out_and_a_cut_is_told() {
        let hidden = "a\u{202e}b\u{2066}c\u{200e}d\u{200b}e\u{feff}f\u{e0041}g\u{7}h\u{1b}[31mi\u{2028}j\r\n\tk";
        assert_eq!(clean(hidden, 100), "abcdefgh[31mij\n\tk");
        assert_eq!(line("  a \n\n b\t\u{200b}c ", 100), "a b c");
        assert_eq!(clean("äöü€", 2), "äö… (2 more characters)");
        assert_eq!((clean("äö", 2).as_str(), clean("", 0).as_str()), ("äö", ""));
    }

    proptest! {
        #[test]
        fn nothing_hidden_stays(text in any::<String>(), most in 0usize..50) {
            let seen = clean(&text, most);
            prop_assert!(!seen.chars().any(is_hidden));
            prop_assert!(seen.chars().count() <= most + 40);
            prop_assert!(!line(&text, most).contains('\n'));
        }
    }
}
