//! What a person may change of a message before saying yes.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Shown;
use crate::error::Error;

/// Which texts of a message may be changed, with the most characters that each can have. `None`: that one can't.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Editable {
    pub subject: Option<u32>,
    pub body: Option<u32>,
}

/// What a person writes instead. `None`: it stays as the agent wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export, optional_fields = nullable)]
pub struct Edit {
    pub subject: Option<String>,
    pub body: Option<String>,
}

/// Whether a text has characters that turn the writing round, or write without being seen: what a person says yes to
/// has to be seen.
pub fn hides_something(text: &str) -> bool {
    text.contains(|c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e0fff}'))
}

impl Shown {
    /// This with what a person changed.
    ///
    /// # Errors
    /// [`Error::EditRefused`] where a text can't be changed, is empty or too long, or hides something.
    pub fn with(mut self, edit: &Edit) -> Result<Self, Error> {
        for (now, edited, most) in [
            (&mut self.subject, &edit.subject, self.editable.subject),
            (&mut self.body, &edit.body, self.editable.body),
        ] {
            // The line breaks of a form are none of the person's.
            let Some(edited) = edited.as_ref().map(|text| text.replace("\r\n", "\n")) else { continue };
            if edited == *now {
                continue;
            }
            let most = most.ok_or(Error::EditRefused("what this one would send can't be changed here"))?;
            if edited.trim().is_empty() {
                return Err(Error::EditRefused("a text is empty"));
            }
            if edited.chars().count() > most as usize {
                return Err(Error::EditRefused("a text is too long"));
            }
            let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            if hides_something(&edited) || edited.contains(is_control) {
                return Err(Error::EditRefused("a text has characters that can't be seen"));
            }
            *now = edited;
            self.is_edited = true;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Shown {
        Shown {
            subject: "Offer".into(),
            body: "Hello".into(),
            editable: Editable { subject: Some(255), body: None },
            ..Shown::default()
        }
    }

    fn subject(text: &str) -> Edit {
        Edit { subject: Some(text.to_owned()), body: None }
    }

    #[test]
    fn only_what_may_be_changed_is_and_only_to_what_can_be_sent() {
        let edited = mail().with(&subject("Our offer")).expect("is changed");
        assert!(edited.is_edited && edited.subject == "Our offer" && edited.body == "Hello");
        assert_eq!(mail().with(&subject("Offer")).expect("is the same"), mail());
        assert_eq!(mail().with(&Edit::default()).expect("is the same"), mail());
        let body = Edit { subject: None, body: Some("Bye".into()) };
        for refused in [subject(" "), subject(&"x".repeat(256)), subject("a\u{202e}b"), subject("a\u{7}b"), body] {
            assert!(matches!(mail().with(&refused), Err(Error::EditRefused(_))), "{refused:?}");
        }
        let same = Edit { subject: None, body: Some("Hello".into()) };
        assert_eq!(mail().with(&same).expect("is the same"), mail());
    }
}
