//! `atthene key`.

use std::io::{IsTerminal, Write as _};
use std::sync::{Arc, Mutex};

use atthene_core::activity::{CallerView, Span, Totals};
use atthene_core::keys::{Expiry, KeyId, KeyView, NewKey, RevokeReason};
use atthene_core::{Core, Error, Format};
use serde_json::json;

use crate::args::{KeyCommand, Reason};
use crate::blocking::blocking;
use crate::out::{CommandResult, Failure, Out, ask};
use crate::plain::Plain;
use crate::time::minute;

pub(crate) async fn run(core: &Arc<Core>, out: &Out, command: KeyCommand) -> CommandResult {
    match command {
        KeyCommand::Create { name, expires, yes } => create(core, out, name, expires, yes).await,
        KeyCommand::List => list(core, out).await,
        KeyCommand::Describe { name, note, id } => describe(core, out, name, note, id).await,
        KeyCommand::Revoke { yes, id, reason } => revoke(core, out, yes, id, reason).await,
        KeyCommand::Usage { days, csv } => usage(core, out, days, csv).await,
    }
}

async fn live(core: &Arc<Core>) -> Result<Option<KeyView>, Failure> {
    blocking(core, |core| core.keys.live()).await
}

async fn create(core: &Arc<Core>, out: &Out, name: String, expiry: Expiry, yes: bool) -> CommandResult {
    let live = live(core).await?;
    if let Some(live) = &live
        && !yes
        && std::io::stdin().is_terminal()
    {
        tell_who_stops(core, out, &live.id, &live.name).await?;
        ask("Create the new one?", "No key was created.")?;
    }
    let new = NewKey { name, expiry, replaces: live.as_ref().map(|live| live.id.clone()) };
    let (key, text) = blocking(core, |core| core.keys.create(new)).await?;
    if let Some(live) = &live {
        out.tell(format_args!("\"{}\" has ended; applications that use it are refused.", live.name));
    }
    let ends = key.expires_at.map_or("does not expire".to_owned(), |at| format!("expires {}", minute(at)));
    out.say(format_args!("\"{}\" {ends}. This is the only time that its text is shown:", key.name));
    let replaced = live.map(|live| json!({ "id": live.id, "name": live.name }));
    let shown = json!({
        "id": key.id, "key": text.expose(), "name": key.name, "expires_at": key.expires_at, "replaced": replaced,
    });
    out.result(&shown, |out| writeln!(out, "{}", text.expose())).map_err(|_| {
        Failure::Failed("The key was created, but nobody read its text, which is gone now. Create another one.".into())
    })
}

async fn list(core: &Arc<Core>, out: &Out) -> CommandResult {
    let keys = blocking(core, |core| core.keys.list()).await?;
    let shown: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id,
                "name": key.name,
                "note": key.note,
                "state": key.state,
                "last_four": key.last_four,
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "ended_at": key.ended_at,
                "last_used_at": key.last_used.as_ref().map(|used| used.at),
                "last_used_by": key.last_used.as_ref().map(|used| &used.by),
                "requests": key.requests,
            })
        })
        .collect();
    out.result(&shown, |to| {
        let rows: Vec<_> = keys
            .iter()
            .map(|key| {
                vec![
                    key.id.0.to_string(),
                    key.name.clone(),
                    format!("{:?}", key.state).to_lowercase(),
                    key.expires_at.map_or("never".into(), minute),
                    key.last_used
                        .as_ref()
                        .map_or("not used yet".into(), |used| format!("{} by {}", minute(used.at), used.by)),
                    key.requests.to_string(),
                ]
            })
            .collect();
        out.table(to, &["ID", "NAME", "STATE", "EXPIRES", "LAST USED", "CALLS"], &rows)
    })
}

async fn describe(
    core: &Arc<Core>,
    out: &Out,
    name: Option<String>,
    note: Option<String>,
    id: Option<KeyId>,
) -> CommandResult {
    let key = match id {
        Some(id) => {
            let keys = blocking(core, |core| core.keys.list()).await?;
            keys.into_iter().find(|key| key.id == id).ok_or(Error::KeyNotFound)?
        }
        None => live(core).await?.ok_or_else(no_live_key)?,
    };
    // What is not said stays as it is.
    let (name, note) = (name.unwrap_or(key.name), note.unwrap_or(key.note));
    let key = blocking(core, move |core| core.keys.describe(&key.id, &name, &note)).await?;
    let shown = json!({ "id": key.id, "name": key.name, "note": key.note });
    out.result(&shown, |to| match key.note.as_str() {
        "" => writeln!(to, "The key is called \"{}\".", key.name),
        note => writeln!(to, "The key is called \"{}\": {note}", key.name),
    })
}

fn no_live_key() -> Failure {
    Failure::NotFound("No key is live.".into())
}

async fn revoke(core: &Arc<Core>, out: &Out, yes: bool, id: Option<KeyId>, reason: Option<Reason>) -> CommandResult {
    let (id, name) = if let Some(id) = id {
        (id.clone(), id.0)
    } else {
        let live = live(core).await?.ok_or_else(no_live_key)?;
        (live.id, live.name.into())
    };
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Use("Nobody is there to be asked; add --yes to revoke the key.".into()));
        }
        tell_who_stops(core, out, &id, &name).await?;
        ask("Revoke it?", "The key was not revoked.")?;
    }
    let reason = reason.map(|reason| match reason {
        Reason::Leaked => RevokeReason::Leaked,
        Reason::Unused => RevokeReason::Unused,
        Reason::Other => RevokeReason::Other,
    });
    let key = blocking(core, move |core| core.keys.revoke(&id, reason)).await?;
    let shown = json!({ "id": key.id, "name": key.name, "state": key.state, "ended_at": key.ended_at });
    out.result(&shown, |to| writeln!(to, "\"{}\" is revoked.", key.name))
}

/// Names every program that the end of this key stops.
async fn tell_who_stops(core: &Arc<Core>, out: &Out, id: &KeyId, name: &str) -> CommandResult {
    let asked = id.clone();
    let callers = blocking(core, move |core| core.usage.recent_callers(&asked)).await?;
    out.tell(format_args!("Every application that uses \"{name}\" is refused from this moment."));
    for caller in callers {
        out.tell(format_args!("  {}, calls in the last 30 days: {}", name_of(&caller), caller.requests));
    }
    Ok(())
}

fn name_of(caller: &CallerView) -> &str {
    if caller.program.is_empty() { &caller.user_agent } else { &caller.program }
}

async fn usage(core: &Arc<Core>, out: &Out, span: Span, csv: bool) -> CommandResult {
    if csv && out.is_json() {
        return Err(Failure::Use("Choose one of --csv and --json.".into()));
    }
    if csv {
        let broken = Arc::new(Mutex::new(None));
        let to = Told { broken: broken.clone() };
        let written = blocking(core, move |core| core.usage.export(span, Format::Csv, to)).await;
        return match broken.lock().ok().and_then(|mut broken| broken.take()) {
            // As every other command tells it.
            Some(error) => Err(Failure::Output(error)),
            None => written.map(drop),
        };
    }
    let report = blocking(core, move |core| core.usage.report(span)).await?;
    // Steps are moments on top, and counts of calls for each program.
    let mut shown = serde_json::to_value(&report).map_err(std::io::Error::from)?;
    shown["steps"] = report.steps.iter().map(|at| at.rfc3339()).collect();
    out.result(&shown, |to| {
        let total = report.total;
        writeln!(to, "{} answered, {} failed, {} refused", total.answered, total.failed, total.refused)?;
        if let Some(time) = report.gateway {
            writeln!(to, "the gateway added {:.2} ms (p50), {:.2} ms (p99)", time.p50_us / 1e3, time.p99_us / 1e3)?;
        }
        let in_a_row = |name: &str, totals: Totals, last_at| {
            let counts = [totals.answered, totals.failed, totals.refused].map(|count| count.to_string());
            [vec![name.to_owned()], counts.to_vec(), vec![minute(last_at)]].concat()
        };
        let programs = report.programs.iter();
        let rows: Vec<_> = programs.map(|it| in_a_row(name_of(&it.caller), it.totals, it.caller.last_at)).collect();
        out.table(to, &["PROGRAM", "ANSWERED", "FAILED", "REFUSED", "LAST CALL"], &rows)?;
        if report.hosts.is_empty() {
            return Ok(());
        }
        writeln!(to)?;
        let rows: Vec<_> = report.hosts.iter().map(|it| in_a_row(&it.name, it.totals, it.last_at)).collect();
        out.table(to, &["HOST", "ANSWERED", "FAILED", "REFUSED", "LAST CALL"], &rows)
    })
}

/// Standard output, which tells why it could not be written.
struct Told {
    broken: Arc<Mutex<Option<std::io::Error>>>,
}

impl Told {
    fn remember<T>(&self, written: std::io::Result<T>) -> std::io::Result<T> {
        written.map_err(|error| {
            let kind = error.kind();
            if let Ok(mut broken) = self.broken.lock() {
                *broken = Some(error);
            }
            kind.into()
        })
    }
}

impl std::io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.remember(Plain::new(std::io::stdout().lock()).write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.remember(std::io::stdout().lock().flush())
    }
}
