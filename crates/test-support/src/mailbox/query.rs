//! What a list is asked with, as Graph reads it.

use std::collections::HashMap;

use super::mails::{Fields, Mails};

/// Rows of a page where nobody says how many.
const ROWS: usize = 10;

#[derive(Default)]
pub(super) struct Query {
    pub(super) fields: Fields,
    pub(super) top: usize,
    pub(super) skip: usize,
    /// As it is written in a link to the next page, without the place in the list.
    pub(super) written: String,
    search: Option<String>,
    filter: Option<String>,
}

impl Query {
    pub(super) fn of(written: &str) -> Self {
        let pairs: HashMap<String, String> =
            url::form_urlencoded::parse(written.replace('+', "%2B").as_bytes()).into_owned().collect();
        let number = |name: &str| pairs.get(name).and_then(|value| value.parse().ok());
        let fields = pairs.get("$select").map(|all| all.split(',').map(|field| field.trim().to_owned()).collect());
        let kept = written.split('&').filter(|pair| !pair.starts_with("$skip="));
        Self {
            fields: Fields(fields.unwrap_or_default()),
            top: number("$top").unwrap_or(ROWS).min(1_000),
            skip: number("$skip").unwrap_or(0),
            written: kept.collect::<Vec<_>>().join("&"),
            search: pairs.get("$search").cloned(),
            filter: pairs.get("$filter").cloned(),
        }
    }

    /// Whether the words that are searched for are all in this text; where nothing is searched for, yes.
    pub(super) fn finds(&self, text: &str) -> bool {
        let Some(search) = &self.search else { return true };
        let text = text.to_lowercase();
        let words = search.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && *word != "AND");
        words.into_iter().all(|word| text.contains(&word.to_lowercase()))
    }

    pub(super) fn is_search(&self) -> bool {
        self.search.is_some()
    }

    pub(super) fn takes(&self, number: usize) -> bool {
        self.finds(&Mails::subject(number))
            && self.filter.as_deref().is_none_or(|filter| filter.split(" and ").all(|term| holds(term, number)))
    }
}

/// One comparison of a filter; one that is not known fits nothing.
fn holds(term: &str, number: usize) -> bool {
    match term.split(' ').collect::<Vec<_>>()[..] {
        ["receivedDateTime", "ge", moment] => Mails::received(number).as_str() >= moment,
        ["receivedDateTime", "lt", moment] => Mails::received(number).as_str() < moment,
        ["isRead", "eq", "false"] => !Mails::is_read(number),
        ["from/emailAddress/address", "eq", address] => Mails::sender(number) == address.trim_matches('\''),
        _ => false,
    }
}
