//! `atthene activity`.

use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::time::Duration;

use atthene_core::activity::{ActivityFilter, ActivityRow, Chain};
use atthene_core::{Change, Clock, Core};

use crate::args::ActivityArguments;
use crate::blocking::blocking;
use crate::out::{CommandResult, Failure, Out};
use crate::time::minute;

pub(crate) async fn run(core: &Arc<Core>, out: &Out, wanted: &ActivityArguments) -> CommandResult {
    if wanted.verify {
        return verify(core, out).await;
    }
    if wanted.follow {
        return follow(core, out).await;
    }
    let since = wanted.since.map(|ms| Clock::system().now().plus(-ms));
    let filter = ActivityFilter { since, ..ActivityFilter::default() };
    let mut before = None;
    loop {
        let asked = filter.clone();
        let page = blocking(core, move |core| core.activity.page(&asked, before)).await?;
        print(out, &page.rows)?;
        before = page.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

/// JSON: one object a line, so that it can be read while it grows.
fn print(out: &Out, rows: &[ActivityRow]) -> CommandResult {
    let on_terminal = std::io::stdout().is_terminal();
    rows.iter().try_for_each(|row| {
        let (at, about) = (minute(row.at), about(row));
        if on_terminal {
            out.line(row, format_args!("{at}  {:6}  {:20}  {:12}  {about}", row.outcome, row.kind, row.actor))
        } else {
            out.line(row, format_args!("{at}\t{}\t{}\t{}\t{about}", row.outcome, row.kind, row.actor))
        }
    })
}

/// What it was done to, as people call it.
fn about(row: &ActivityRow) -> String {
    let name = ["name", "account", "program"].into_iter().find_map(|field| row.detail[field].as_str());
    let settings = || Some(row.detail["is"].as_object()?.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
    name.map(str::to_owned).or_else(settings).unwrap_or_else(|| row.subject.clone())
}

async fn follow(core: &Arc<Core>, out: &Out) -> CommandResult {
    let mut changes = core.changes().subscribe();
    let mut last = blocking(core, |core| core.activity.newest()).await?;
    loop {
        let rows = blocking(core, move |core| core.activity.after(last)).await?;
        last = rows.last().map_or(last, |row| row.id);
        print(out, &rows)?;
        if rows.is_empty() {
            // Whoever lagged behind reads on all the same.
            while !matches!(changes.recv().await, Ok(Change::Activity) | Err(_)) {}
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn verify(core: &Arc<Core>, out: &Out) -> CommandResult {
    let chain = blocking(core, |core| core.activity.verify()).await?;
    out.result(&chain, |to| match &chain {
        Chain::Sound { rows } => writeln!(to, "All {rows} rows are as they were written."),
        Chain::Broken { id, at, intact } => {
            writeln!(to, "The chain breaks at row {id} ({}): it was altered, or a row before it was removed. {intact} rows before it are sound.", minute(*at))
        }
        Chain::CutOff { intact, .. } => {
            writeln!(to, "The newest rows were removed. The {intact} rows that are left are sound.")
        }
    })?;
    if matches!(chain, Chain::Sound { .. }) { Ok(()) } else { Err(Failure::Failed("The record is not intact.".into())) }
}
