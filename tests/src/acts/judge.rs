//! Whether what reached Graph was allowed, and came once only.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::deeds::{Deed, Effect, Way};
use super::diary::{Diary, Leaves, Say};
use super::essence;
use super::office::{Arrival, SECRET};
use super::wire::Ending;

/// What was under way when its caller left may still arrive for so long.
const LATE: Duration = Duration::from_secs(3);

/// One call.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) deed: usize,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) ending: Ending,
}

impl Attempted {
    fn may_arrive_until(&self) -> Instant {
        if matches!(self.ending, Ending::Answered { .. }) { self.ended } else { self.ended + LATE }
    }
}

/// A person's yes to what was shown.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) question: String,
    pub(super) through: usize,
    pub(super) essence: String,
    /// When it was being said.
    pub(super) at: Instant,
    /// It was taken back before it was used.
    pub(super) is_void: bool,
    is_used: bool,
}

impl Given {
    pub(super) fn new(question: &str, through: usize, essence: String, at: Instant) -> Self {
        Self { question: question.to_owned(), through, essence, at, is_void: false, is_used: false }
    }
}

/// Whoever is allowed to receive without another question: through which connection, from when, until when.
#[derive(Debug)]
pub(super) struct AllowedAhead {
    pub(super) through: usize,
    pub(super) addresses: HashSet<String>,
    pub(super) from: Instant,
    /// When that had been said for sure.
    pub(super) said: Option<Instant>,
    pub(super) until: Option<Instant>,
}

/// All that is known besides what reached Graph.
pub(super) struct Judge {
    pub(super) deeds: Vec<Deed>,
    /// The deeds that come to this.
    known: HashMap<String, Vec<usize>>,
    pub(super) calls: Vec<Attempted>,
    pub(super) leaves: [Diary<Leaves>; 2],
    pub(super) stopped: Diary<bool>,
    pub(super) given: Vec<Given>,
    pub(super) ahead: Vec<AllowedAhead>,
    /// From when on the process was being killed, until another one served.
    pub(super) killed: Vec<(Instant, Instant)>,
    /// What arrived of each essence, and was not refused.
    came: HashMap<String, usize>,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            deeds: Vec::new(),
            known: HashMap::new(),
            calls: Vec::new(),
            leaves: [Diary::new(Leaves::USUAL), Diary::new(Leaves::USUAL)],
            stopped: Diary::new(false),
            given: Vec::new(),
            ahead: Vec::new(),
            killed: Vec::new(),
            came: HashMap::new(),
        }
    }

    /// Remembers a deed; tells its number.
    pub(super) fn wants(&mut self, deed: Deed) -> usize {
        self.deeds.push(deed.clone());
        let number = self.deeds.len() - 1;
        self.known.entry(deed.essence).or_default().push(number);
        number
    }

    /// Whether what was said may have been this at some moment.
    fn may_be(&self, deed: &Deed, from: Instant, until: Instant, is: impl Fn(Say) -> bool) -> bool {
        self.leaves[deed.through].was(from, until, |leaves| is(leaves.to(deed.effect, deed.is_by_tool())))
    }

    /// The calls of these deeds that may have brought about what arrived then.
    fn calls_at<'a>(&'a self, deeds: &'a [usize], at: Instant) -> impl Iterator<Item = &'a Attempted> {
        self.calls
            .iter()
            .filter(move |call| deeds.contains(&call.deed) && call.begun <= at && at <= call.may_arrive_until())
    }

    /// Looks at what arrived since it was looked at last.
    pub(super) fn judge(&mut self, arrivals: &[Arrival]) -> Result<()> {
        for arrival in arrivals {
            self.arrived(arrival)?;
        }
        Ok(())
    }

    fn arrived(&mut self, arrival: &Arrival) -> Result<()> {
        let Some((essence, deeds)) = self.asked_for(arrival) else {
            // A tool looks at what it is to answer before somebody is asked.
            let looks = arrival.method == "GET" && !arrival.line.contains("$value");
            ensure!(looks, "nobody asked for this: {arrival:?}");
            return self.looked(arrival);
        };
        let from = self.calls_at(&deeds, arrival.at).map(|call| call.begun).min();
        let Some(from) = from else { bail!("no call was there that could have made this: {arrival:?}") };
        ensure!(self.stopped.was(from, arrival.at, |stopped| !stopped), "everything was stopped: {arrival:?}");
        let until = arrival.at;
        let is = |is: fn(Say) -> bool| deeds.iter().any(|deed| self.may_be(&self.deeds[*deed], from, until, is));
        ensure!(is(|say| say != Say::Deny), "it was denied all the time: {arrival:?}");
        // A link was given by a tool that had leave, or a person's yes.
        let by_link = deeds.iter().all(|deed| matches!(self.deeds[*deed].way, Way::Link(_)));
        if !by_link && !is(|say| say == Say::Allow) && !self.was_ahead(&deeds, from, until) {
            self.uses_a_yes(arrival, &essence, &deeds)?;
        }
        if !arrival.was_refused() {
            *self.came.entry(essence.clone()).or_default() += 1;
            self.came_once(&essence, &deeds, arrival)?;
        }
        Ok(())
    }

    fn asked_for(&self, arrival: &Arrival) -> Option<(String, Vec<usize>)> {
        let both = [Some(essence::raw_of(arrival)), essence::by_tool(arrival)];
        both.into_iter().flatten().find_map(|essence| Some((essence.clone(), self.known.get(&essence)?.clone())))
    }

    fn looked(&self, arrival: &Arrival) -> Result<()> {
        let mark = essence::nonce(&arrival.line);
        let is_of = |deed: &Deed| {
            deed.is_by_tool() && mark.as_ref().is_none_or(|mark| format!("{:?}", deed.way).contains(mark))
        };
        let deeds: Vec<usize> = (0..self.deeds.len()).filter(|number| is_of(&self.deeds[*number])).collect();
        let from = self.calls_at(&deeds, arrival.at).map(|call| call.begun).min();
        let Some(from) = from else { bail!("nobody asked for this: {arrival:?}") };
        let through = usize::from(arrival.line.contains("/chats/"));
        let may = |leaves: &Leaves| leaves.to(Effect::Read, true) != Say::Deny;
        ensure!(self.leaves[through].was(from, arrival.at, may), "reading was denied all the time: {arrival:?}");
        Ok(())
    }

    fn was_ahead(&self, deeds: &[usize], from: Instant, until: Instant) -> bool {
        let all = deeds.iter().filter_map(|number| {
            let deed = &self.deeds[*number];
            Some((deed.through, deed.addresses()?))
        });
        let mut all = all;
        all.any(|(through, addresses)| {
            let open = |ahead: &&AllowedAhead| {
                ahead.through == through && ahead.from <= until && ahead.until.is_none_or(|ended| ended >= from)
            };
            let allowed: HashSet<_> = self.ahead.iter().filter(open).flat_map(|ahead| &ahead.addresses).collect();
            !addresses.is_empty() && addresses.iter().all(|address| allowed.contains(address))
        })
    }

    fn uses_a_yes(&mut self, arrival: &Arrival, essence: &str, deeds: &[usize]) -> Result<()> {
        let through = deeds.iter().map(|deed| self.deeds[*deed].through).collect::<HashSet<_>>();
        let reads = deeds.iter().all(|deed| self.deeds[*deed].effect == Effect::Read);
        let fits = |given: &&mut Given| {
            given.essence == essence
                && through.contains(&given.through)
                && !given.is_void
                && given.at <= arrival.at
                && !given.is_used
        };
        let Some(given) = self.given.iter_mut().find(fits) else {
            let given: Vec<_> = self.given.iter().filter(|given| given.essence == essence).collect();
            let calls: Vec<_> = self.calls.iter().filter(|call| deeds.contains(&call.deed)).collect();
            let ahead: Vec<_> = self.ahead.iter().rev().take(3).collect();
            bail!(
                "nobody said yes to exactly this, or it was used before: {arrival:?}\nit is {essence}\nthey said {given:?}\n\
                 the calls were {calls:#?}\nallowed ahead {ahead:?}"
            )
        };
        // Whoever looks may look again, and access that was refused is renewed once.
        given.is_used = !reads && arrival.answer != Some(401);
        Ok(())
    }

    fn came_once(&self, essence: &str, deeds: &[usize], arrival: &Arrival) -> Result<()> {
        let most: usize = deeds
            .iter()
            .map(|number| {
                let deed = &self.deeds[*number];
                let calls = self.calls.iter().filter(|call| call.deed == *number);
                match deed.effect {
                    Effect::Read | Effect::Draft => usize::MAX / 1024,
                    _ if deed.is_by_tool() => 1,
                    // What is allowed passes through as it comes.
                    _ => {
                        let free =
                            |call: &&Attempted| self.may_be(deed, call.begun, call.ended, |say| say == Say::Allow);
                        calls.filter(free).count() + 1
                    }
                }
            })
            .sum();
        ensure!(self.came[essence] <= most, "it came {} times: {arrival:?}", self.came[essence]);
        Ok(())
    }

    /// Looks at the answers from this call on.
    pub(super) fn answers(&self, from: usize) -> Result<()> {
        for call in self.calls.get(from..).unwrap_or_default() {
            let deed = &self.deeds[call.deed];
            let cut = self.killed.iter().any(|(at, back)| *at <= call.ended + LATE && *back >= call.begun)
                || self.stopped.was(call.begun, call.ended, |stopped| *stopped);
            match &call.ending {
                Ending::Silent => bail!("it was never answered: {deed:?}"),
                Ending::Broken | Ending::Unreachable => {
                    ensure!(cut, "it was cut off, and nobody had ended anything: {deed:?} {call:?}");
                }
                Ending::HungUp => {}
                Ending::Answered { body, .. } => self.told(call, deed, body)?,
            }
        }
        Ok(())
    }

    fn told(&self, call: &Attempted, deed: &Deed, body: &str) -> Result<()> {
        if matches!(deed.way, Way::Token) && body.contains("access_token") {
            let was = self.leaves[deed.through].was(call.begun, call.ended, |leaves| leaves.token);
            ensure!(was, "the token was handed out, and was off all the time: {call:?}");
        }
        if body.contains(SECRET) {
            let may = |leaves: &Leaves| leaves.to(Effect::Read, deed.is_by_tool()) != Say::Deny;
            let was = self.leaves[deed.through].was(call.begun, call.ended, may);
            ensure!(was, "it was told what may not be read: {deed:?} {body}");
        }
        Ok(())
    }

    /// The deeds that only reached Graph once, with an outcome that nobody was told: to be asked for again.
    pub(super) fn unclear(&self, arrivals: &[Arrival]) -> Vec<usize> {
        let unclear = arrivals.iter().filter(|arrival| arrival.is_unclear()).filter_map(|arrival| {
            let (essence, deeds) = self.asked_for(arrival)?;
            let [only] = deeds[..] else { return None };
            let deed = &self.deeds[only];
            let kept = matches!(deed.effect, Effect::Send | Effect::Delete | Effect::Anything);
            let once = self.came.get(&essence) == Some(&1);
            let mut calls = self.calls.iter().filter(|call| call.deed == only);
            let asked = deed.is_by_tool()
                || !calls.any(|call| self.may_be(deed, call.begun, call.ended + LATE, |say| say == Say::Allow));
            (kept && once && asked).then_some(only)
        });
        unclear.collect()
    }
}
