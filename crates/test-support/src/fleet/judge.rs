//! Says whether gateways answered as they may, by the order in which the database committed what became of the keys.
//!
//! Every commit is a state of the keys, numbered. An answer tells something of the state that its gateway knew: a yes to
//! a key, that it was one in which the key was live; a no, that it was one before or after. No gateway may fall behind a
//! state that it has shown to know, be ahead of the commit, or be later than the bound. All times are microseconds since
//! 1970, by the one clock of the machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When a key was live, by the stamps of the commits. Keys are numbered by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub created: i64,
    pub ended: Option<i64>,
}

/// One call, as its caller saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub gateway: usize,
    pub key: usize,
    pub began: i64,
    pub ended: i64,
    /// 0: there was no answer.
    pub status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The second was created while the first was live.
    TwoLive(usize, usize),
    /// A yes before the key was there.
    AcceptedTooEarly(Call),
    /// A yes too long after the key's end.
    AcceptedTooLate(Call),
    /// A no while the key had been live for long.
    RefusedWhileLive(Call),
    /// A no before the end of a key that this gateway had accepted.
    RefusedTooEarly(Call),
    /// A yes by a gateway that had shown that it knew of the key's end.
    WentBack(Call),
    /// Neither a yes nor a no.
    NoVerdict(Call),
}

/// What a gateway has shown to know: the number of the state.
type State = usize;

/// The states in which each key is live: from the first, until before the second.
struct States(Vec<(State, Option<State>)>);

impl States {
    fn of(lives: &[Life]) -> Self {
        let mut next = 0;
        let mut states = Vec::new();
        for (key, life) in lives.iter().enumerate() {
            // One commit that ends a key and creates the next makes one state.
            let from = next + 1;
            let replaced = lives.get(key + 1).is_some_and(|after| Some(after.created) == life.ended);
            next = if replaced || life.ended.is_none() { from } else { from + 1 };
            states.push((from, life.ended.map(|_| from + 1)));
        }
        Self(states)
    }
}

/// Everything that was not as it must be. `bound`: how long, in microseconds, a gateway may take to hear of a commit.
/// Keys are in the order of their creation.
pub fn judge(lives: &[Life], calls: &[Call], bound: i64) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, pair) in lives.windows(2).enumerate() {
        if pair[0].ended.is_none_or(|ended| ended > pair[1].created) {
            found.push(Violation::TwoLive(key, key + 1));
        }
    }
    let states = States::of(lives);
    let gateways = calls.iter().map(|call| call.gateway + 1).max().unwrap_or_default();
    let mut of_gateways = vec![Vec::new(); gateways];
    for call in calls {
        of_gateways[call.gateway].push(*call);
    }
    for mut calls in of_gateways {
        calls.sort_by_key(|call| call.began);
        let mut known: State = 0;
        // What an answer shows is known when it is there, and binds what begins after that.
        let mut answers: BinaryHeap<Reverse<(i64, State)>> = BinaryHeap::new();
        for call in calls {
            while let Some(Reverse((ended, shown))) = answers.peek().copied()
                && ended < call.began
            {
                answers.pop();
                known = known.max(shown);
            }
            match verdict(&call, &lives[call.key], states.0[call.key], known, bound) {
                Ok(shown) => answers.push(Reverse((call.ended, shown))),
                Err(violation) => found.push(violation),
            }
        }
    }
    found
}

/// The state that the answer shows its gateway to know at least.
fn verdict(
    call: &Call,
    life: &Life,
    (from, until): (State, Option<State>),
    known: State,
    bound: i64,
) -> Result<State, Violation> {
    let heard_of = call.began - bound;
    match call.status {
        200 if life.created > call.ended => Err(Violation::AcceptedTooEarly(*call)),
        200 if life.ended.is_some_and(|ended| ended < heard_of) => Err(Violation::AcceptedTooLate(*call)),
        200 if until.is_some_and(|until| known >= until) => Err(Violation::WentBack(*call)),
        200 => Ok(known.max(from)),
        401 => {
            let has_ended = life.ended.is_some_and(|ended| ended <= call.ended);
            if !has_ended && life.created <= heard_of {
                return Err(Violation::RefusedWhileLive(*call));
            }
            if known < from {
                return Ok(known);
            }
            if has_ended { Ok(known.max(from + 1)) } else { Err(Violation::RefusedTooEarly(*call)) }
        }
        _ => Err(Violation::NoVerdict(*call)),
    }
}
