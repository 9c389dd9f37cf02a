//! What was permitted when. A change counts from the moment at which it was begun, and what was there before until it
//! had ended: in between, either may hold.

use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;

use super::deeds::Effect;

/// What was said to one kind of act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    Allow,
    Ask,
    Deny,
}

impl Say {
    fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    fn draw(random: &mut StdRng) -> Self {
        match random.random_range(0..10) {
            0..6 => Self::Ask,
            6..8 => Self::Allow,
            _ => Self::Deny,
        }
    }
}

/// Calls of their own to Graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw {
    Off,
    Looks,
    All,
}

/// What agents may do through one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaves {
    /// Read, draft, send, delete.
    pub(super) acts: [Say; 4],
    pub(super) raw: Raw,
    pub(super) token: bool,
}

impl Leaves {
    /// Most of it is asked about.
    pub(super) const USUAL: Self =
        Self { acts: [Say::Allow, Say::Allow, Say::Ask, Say::Ask], raw: Raw::All, token: false };

    pub(super) fn draw(random: &mut StdRng) -> Self {
        let read = if random.random_bool(0.7) { Say::Allow } else { Say::draw(random) };
        let raw = match random.random_range(0..8) {
            0 => Raw::Off,
            1 => Raw::Looks,
            _ => Raw::All,
        };
        Self {
            acts: [read, Say::draw(random), Say::draw(random), Say::draw(random)],
            raw,
            token: random.random_bool(0.3),
        }
    }

    /// As options of `atthene connection permit`.
    pub(super) fn options(self) -> Vec<&'static str> {
        let names = ["--read", "--draft", "--send", "--delete"];
        let mut all: Vec<&str> = names.into_iter().zip(self.acts).flat_map(|(name, say)| [name, say.word()]).collect();
        let raw = match self.raw {
            Raw::Off => "off",
            Raw::Looks => "read_only",
            Raw::All => "granted",
        };
        all.extend(["--graph", raw, "--token", if self.token { "allow" } else { "deny" }]);
        all
    }

    /// What was said to this effect; to what could be anything, the worst that was said to any.
    fn of(self, effect: Effect) -> Say {
        let [read, draft, send, delete] = self.acts;
        match effect {
            Effect::Read => read,
            Effect::Draft => draft,
            Effect::Send => send,
            Effect::Delete => delete,
            Effect::Anything if self.acts.contains(&Say::Deny) => Say::Deny,
            Effect::Anything if self.acts.contains(&Say::Ask) => Say::Ask,
            Effect::Anything => Say::Allow,
        }
    }

    /// What is to happen to such a deed, by a tool or by a call of an agent's own.
    pub(super) fn to(self, effect: Effect, is_by_tool: bool) -> Say {
        if is_by_tool {
            return self.of(effect);
        }
        match (self.raw, effect) {
            (Raw::Looks, Effect::Read) => self.of(Effect::Read),
            // What is changed is answered whole.
            (Raw::All, _) if self.of(Effect::Read) != Say::Deny => {
                if effect != Effect::Read && self.of(Effect::Read) == Say::Ask && self.of(effect) == Say::Allow {
                    return Say::Allow;
                }
                self.of(effect)
            }
            _ => Say::Deny,
        }
    }
}

/// What held from when to when.
#[derive(Debug)]
pub(super) struct Diary<T> {
    spells: Vec<(Instant, Option<Instant>, T)>,
}

impl<T> Diary<T> {
    pub(super) fn new(first: T) -> Self {
        Self { spells: vec![(Instant::now(), None, first)] }
    }

    /// What was said last.
    pub(super) fn now(&self) -> Option<&T> {
        self.spells.last().map(|(_, _, what)| what)
    }

    /// This was said between the two.
    pub(super) fn said(&mut self, begun: Instant, ended: Instant, now: T) {
        if let Some(last) = self.spells.last_mut() {
            last.1 = Some(ended);
        }
        self.spells.push((begun, None, now));
    }

    /// Whether this may have held at some moment between the two.
    pub(super) fn was(&self, from: Instant, until: Instant, is: impl Fn(&T) -> bool) -> bool {
        self.spells
            .iter()
            .any(|(begun, ended, what)| *begun <= until && ended.is_none_or(|ended| ended >= from) && is(what))
    }
}
