//! `atthene activity`.

use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::activity::{ActivityFilter, ActivityRow, Chain, TimelineFilter, TimelineForm, TimelineRow};
use atthene_core::{Change, Clock, Core};
use serde_json::json;

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
    if let Some(path) = &wanted.check {
        return check(core, out, path).await;
    }
    let since = wanted.since.map(|ms| Clock::system().now().plus(-ms));
    if let (Some(account), Some(path)) = (&wanted.account, &wanted.to) {
        let filter = TimelineFilter { account: account.clone(), since, until: None };
        return write(core, out, filter, path).await;
    }
    let filter = ActivityFilter { since, account: wanted.account.clone(), ..ActivityFilter::default() };
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

/// Writes an account's timeline, in the form that the file's name tells.
async fn write(core: &Arc<Core>, out: &Out, filter: TimelineFilter, path: &Path) -> CommandResult {
    let Some(form) = TimelineForm::of(path) else {
        return Err(Failure::Use("A timeline is written to a file that ends in .json or .html.".into()));
    };
    let to = path.to_owned();
    let rows =
        blocking(core, move |core| core.activity.write_timeline(&filter, form, Clock::system().now(), &to)).await?;
    let written = json!({ "rows": rows, "path": path });
    out.result(&written, |to| writeln!(to, "{rows} rows, written to {}.", path.display()))
}

/// Reads a signed timeline that somebody handed in.
async fn check(core: &Arc<Core>, out: &Out, path: &Path) -> CommandResult {
    let from = path.to_owned();
    let checked = blocking(core, move |core| core.activity.check_timeline(&from)).await?;
    out.result(&checked, |to| {
        for TimelineRow { at, kind, actor, detail, outcome, .. } in &checked.timeline.rows {
            let program = detail["program"].as_str().unwrap_or(actor);
            let path = detail["path"].as_str().unwrap_or_default();
            writeln!(to, "{at}\t{outcome}\t{kind}\t{program}\t{path}")?;
        }
        let by = if checked.from_here { "this profile" } else { "another profile" };
        writeln!(
            to,
            "{}: {} rows, unchanged since {by} ({}) signed them.",
            checked.timeline.account,
            checked.timeline.rows.len(),
            checked.signed_by
        )
    })
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
