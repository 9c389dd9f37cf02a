//! The timeline as a page: HTML that needs nothing from elsewhere and runs no script, for paper as for the screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::signature::Thumbprint;
use super::timeline::{Timeline, TimelineRow};
use super::{ActOutcome, Kind};
use crate::identity::PRODUCT_NAME;

const STYLE: &str = ":root{color-scheme:light}body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1.5rem;color:#1a1c23}h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:1.5rem 0 .25rem;\
break-after:avoid}p{margin:.25rem 0}dl{display:grid;grid-template-columns:max-content 1fr;gap:.125rem 1rem}dd{margin:0;\
overflow-wrap:anywhere}dt,small,th{color:#5a6072}table{border-collapse:collapse;width:100%;table-layout:fixed}\
th,td{padding:.25rem .5rem .25rem 0;text-align:start;vertical-align:top;border-bottom:1px solid #dfe2ea;\
overflow-wrap:anywhere}th{font-weight:500}tr{break-inside:avoid}.failed{color:#a3241f}.time{width:5rem}.row{width:4rem}\
.state,.key{width:6rem}.who{width:11rem}@media print{body{margin:0;max-width:none;font-size:10pt}}@page{margin:18mm}";

/// The whole page. Every word of strangers in it is text.
pub(super) fn html(timeline: &Timeline, signed_as: &Thumbprint) -> String {
    let zone = TimeZone::system();
    let account = escaped(&timeline.account);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{account}: timeline</title>\n<style>{STYLE}</style>\n<h1><bdi>{account}</bdi></h1>\n\
         <p>What was done with this account’s sign-ins, from the record of {PRODUCT_NAME}.</p>\n"
    );
    facts(&mut page, timeline, signed_as, &zone);
    if timeline.rows.is_empty() {
        page.push_str("<p>Nothing.</p>\n");
    }
    let mut day = String::new();
    for row in &timeline.rows {
        let at = local(&row.at, &zone);
        let on = at.as_ref().map_or_else(|| row.at.clone(), |at| at.strftime("%A, %-d %B %Y").to_string());
        if on != day {
            if !day.is_empty() {
                page.push_str("</table>\n");
            }
            let _ = write!(
                page,
                "<h2>{on}</h2>\n<table>\n<tr><th class=\"time\">Time<th class=\"who\">Program or person<th>What\
                 <th class=\"state\">Outcome<th class=\"key\">Key<th class=\"row\">Row</tr>\n"
            );
            day = on;
        }
        table_row(&mut page, row, at.as_ref());
    }
    if !day.is_empty() {
        page.push_str("</table>\n");
    }
    page.push_str("</html>\n");
    page
}

/// What it is, how much of what, and how far it can be trusted.
fn facts(page: &mut String, timeline: &Timeline, signed_as: &Thumbprint, zone: &TimeZone) {
    let moment = |text: &str| {
        local(text, zone).map_or_else(|| text.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
    };
    let since = timeline.since.as_deref().map_or_else(|| "the beginning of the record".to_owned(), moment);
    let until = moment(timeline.until.as_deref().unwrap_or(&timeline.made_at));
    let sound = if timeline.record_sound {
        "Every row was as it was written, by the chain of hashes over the whole record."
    } else {
        "The chain of hashes is broken: rows were altered or removed."
    };
    let mut by_program: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in timeline.rows.iter().filter(|row| row.kind == Kind::GraphCall.as_str()) {
        let (calls, failed) = by_program.entry(text(row, "program")).or_default();
        *calls += 1;
        *failed += u64::from(row.outcome == ActOutcome::Failed.as_str());
    }
    let calls: Vec<String> = by_program
        .into_iter()
        .map(|(program, (calls, failed))| format!("{} {calls} ({failed} failed)", escaped(name(program))))
        .collect();
    let calls = if calls.is_empty() { "none".to_owned() } else { calls.join(", ") };
    let _ = write!(
        page,
        "<dl>\n<dt>Time<dd>{since} to {until}\n<dt>Made<dd>{}\n<dt>Rows<dd>{}\n<dt>Calls of Graph<dd>{calls}\n\
         <dt>Record<dd>{sound}\n<dt>Profile<dd>{signed_as}<br><small>The signed file of this timeline names the same \
         profile; `atthene activity --check FILE` reads it.</small>\n</dl>\n",
        moment(&timeline.made_at),
        timeline.rows.len(),
    );
}

fn table_row(page: &mut String, row: &TimelineRow, at: Option<&Zoned>) {
    let time = at.map_or_else(String::new, |at| at.strftime("%H:%M:%S").to_string());
    let failed = row.outcome == ActOutcome::Failed.as_str();
    let status = row.detail["status"].as_u64().map(|status| status.to_string());
    let outcome = status.unwrap_or_else(|| row.outcome.clone());
    let who = [text(row, "program"), text(row, "os_user"), &row.actor].into_iter().find(|it| !it.is_empty());
    let _ = writeln!(
        page,
        "<tr><td>{time}<td><bdi>{}</bdi><td>{}<td{}>{}<td><bdi>{}</bdi><td>{}</tr>",
        escaped(who.unwrap_or_default()),
        escaped(&what(row)),
        if failed { " class=\"failed\"" } else { "" },
        escaped(&outcome),
        escaped(text(row, "key")),
        row.id,
    );
}

/// What was done, in words.
fn what(row: &TimelineRow) -> String {
    let toolkit = text(row, "toolkit");
    let why = text(row, "problem");
    let done = match row.kind.as_str() {
        "graph_call" => format!("{} {}", text(row, "method"), text(row, "path")),
        "tool_called" => format!("Tool {}", text(row, "tool")),
        "token_handed" => "Got an access token".to_owned(),
        "sign_in" => format!("Signed in for {toolkit}"),
        "refresh" => "Access renewed".to_owned(),
        "approval_asked" => "An agent asked to act".to_owned(),
        "approval_given" => "An act was allowed".to_owned(),
        "approval_denied" => "An act was denied".to_owned(),
        "act_performed" if row.outcome == ActOutcome::Unknown.as_str() => "An act was begun".to_owned(),
        "act_performed" => "An act was done once".to_owned(),
        "permissions_changed" => "What agents may do was changed".to_owned(),
        "disconnected" => format!("Disconnected from {toolkit}"),
        other => other.replace('_', " "),
    };
    if why.is_empty() { done } else { format!("{done}: {why}") }
}

fn text<'a>(row: &'a TimelineRow, field: &str) -> &'a str {
    row.detail[field].as_str().unwrap_or_default()
}

/// A program that could not be told is one all the same.
fn name(program: &str) -> &str {
    if program.is_empty() { "a program" } else { program }
}

fn local(rfc3339: &str, zone: &TimeZone) -> Option<Zoned> {
    rfc3339.parse::<Timestamp>().ok().map(|at| at.to_zoned(zone.clone()))
}

/// As text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::activity::signature::ProfileSigner;
    use crate::profile_secret::ProfileSecret;

    fn row(kind: &str, outcome: &str, detail: serde_json::Value) -> TimelineRow {
        TimelineRow {
            id: 7,
            at: "2026-11-26T09:12:03.000Z".into(),
            actor: "gateway".into(),
            kind: kind.into(),
            subject: "outlook-aaaaaaaa".into(),
            outcome: outcome.into(),
            detail,
            host: None,
        }
    }

    fn printed(rows: Vec<TimelineRow>) -> String {
        let timeline = Timeline {
            account: "<b>grace</b>@contoso.example".into(),
            since: None,
            until: None,
            made_at: "2026-11-26T12:00:00.000Z".into(),
            record_sound: true,
            rows,
        };
        html(&timeline, &ProfileSigner::of(&ProfileSecret::from_row([1; 32])).thumbprint())
    }

    #[test]
    fn what_strangers_wrote_is_text_and_nothing_runs() {
        let page = printed(vec![row(
            "graph_call",
            "failed",
            json!({ "program": "<script>x</script>", "method": "GET", "path": "/me/\"><img>", "status": 404, "key": "Agents" }),
        )]);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"), "{page}");
        assert!(page.contains("GET /me/&quot;&gt;&lt;img&gt;") && page.contains("class=\"failed\">404"), "{page}");
    }

    #[test]
    fn calls_are_counted_by_program() {
        let call = |outcome| row("graph_call", outcome, json!({ "program": "order-bot", "status": 200 }));
        let page = printed(vec![call("done"), call("failed"), row("refresh", "done", json!({}))]);
        assert!(page.contains("<dd>order-bot 2 (1 failed)"), "{page}");
        assert!(page.contains("Access renewed") && page.matches("<h2>").count() == 1);
        assert!(printed(Vec::new()).contains("<p>Nothing.</p>"));
    }
}
