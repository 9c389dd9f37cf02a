//! Short ids that people read out and type: told apart, not secret.

use rand::RngExt;

/// Without letters that are mistaken for digits.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// So many letters, drawn at random.
pub(crate) fn random_letters(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

/// Whether this could be such a text.
pub(crate) fn are_letters(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| LETTERS.contains(&byte))
}
