//! What was counted.

use std::collections::HashMap;

/// What was counted.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub rounds: usize,
    pub calls: usize,
    /// Requests that reached Graph, and those of them that change something.
    pub arrived: usize,
    pub acted: usize,
    pub yes: usize,
    pub no: usize,
    pub permits: usize,
    pub stops: usize,
    pub kills: usize,
    /// Acts with an unknown outcome that were asked for again, and not done again.
    pub unknown: usize,
    /// Calls that ended so.
    pub endings: HashMap<String, usize>,
}
