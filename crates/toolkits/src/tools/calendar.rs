//! The calendar: what is in it, and when several people are free.

use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use jiff::{Span, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Headers;
use super::error::ToolError;
use super::paging::{AskedList, page};
use super::people::{first, person, string};
use super::run::Run;
use super::text::{self, NAME, PREVIEW, SUBJECT};
use super::tool::Tool;
use super::{arguments, schema};

/// The range is read by its offset; the answer is in UTC.
const HEADERS: Headers<'static> =
    &[("prefer", "IdType=\"ImmutableId\", outlook.timezone=\"UTC\", outlook.body-content-type=\"text\"")];
const EVENT: &str = "id,subject,start,end,isAllDay,location,organizer,attendees,responseStatus,isCancelled,onlineMeeting,\
                     showAs,type,bodyPreview";

const DAY: i64 = 86_400;
/// Where only a beginning is given.
const DAYS_SHOWN: i64 = 7;
const MOST_DAYS: i64 = 366;
/// Graph's limits of one question: 62 days, 20 people; the account itself is one of them.
const MOST_DAYS_FREE: i64 = 31;
const MOST_ATTENDEES: usize = 19;
const ATTENDEES: usize = 10;
/// Minutes of one character of a person's view.
const SLOT: i64 = 15;
const MOST_FREE: usize = 40;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool {
            name: "calendar_list",
            title: "List events",
            description: "Events of a time span, occurrences included. Times in UTC.",
            input: schema::paged(
                &[],
                [
                    ("from", schema::string("RFC 3339 or day; default now")),
                    ("to", schema::string("default 7 days later")),
                ],
            ),
            output: schema::output([("events", "array"), ("more", "boolean")]),
            act: Act::Read,
            toolkit: Toolkit::Outlook,
            idempotent: true,
            scope: "Calendars.Read",
        },
        Tool {
            name: "calendar_find_time",
            title: "Find a time",
            description: "Spans in UTC when the account and all attendees are free; their working hours beside.",
            input: schema::input(
                &["attendees", "from", "to", "minutes"],
                [
                    ("attendees", schema::strings("addresses, at most 19")),
                    ("from", schema::string("RFC 3339 or day")),
                    ("to", schema::string("at most 31 days later")),
                    ("minutes", schema::number("")),
                ],
            ),
            output: schema::output([("free", "array"), ("people", "array"), ("more", "boolean")]),
            act: Act::Read,
            toolkit: Toolkit::Outlook,
            idempotent: true,
            scope: "Calendars.ReadBasic",
        },
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(run: &Run<'_>, asked: List) -> Result<Value, ToolError> {
    let limit = arguments::limit(asked.limit)?;
    let from = asked.from.as_deref().map_or_else(|| Ok(Timestamp::now()), |from| arguments::moment("from", from))?;
    let to = match &asked.to {
        Some(to) => arguments::moment("to", to)?,
        None => later(from, DAYS_SHOWN)?,
    };
    span(from, to, MOST_DAYS)?;
    let (from, to, top) = (arguments::written(from), arguments::written(to), limit.to_string());
    let query = [
        ("startDateTime", from.as_str()),
        ("endDateTime", to.as_str()),
        ("$orderby", "start/dateTime"),
        ("$top", top.as_str()),
        ("$select", EVENT),
    ];
    let first = arguments::with_query("me/calendarView", &query);
    let asked = AskedList { of: "", cursor: asked.cursor.as_deref(), limit, headers: HEADERS };
    Ok(page(run, first, asked).await?.answer("events", event))
}

fn later(from: Timestamp, days: i64) -> Result<Timestamp, ToolError> {
    let later = from.checked_add(Span::new().hours(days * 24));
    later.map_err(|_| ToolError::Arguments("The argument from is too far away.".to_owned()))
}

fn span(from: Timestamp, to: Timestamp, most: i64) -> Result<i64, ToolError> {
    let seconds = to.as_second() - from.as_second();
    if (1..=most * DAY).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ToolError::Arguments(format!("The argument to has to lie after from, by at most {most} days.")))
}

/// A time of an event: with its Z where it is one of UTC; whole days have no zone.
fn time(time: &Value, is_day: bool) -> String {
    let text = text::line(string(time, "dateTime"), 40);
    let whole = text.split('.').next().unwrap_or_default();
    if is_day {
        return whole.split('T').next().unwrap_or_default().to_owned();
    }
    match string(time, "timeZone") {
        "UTC" | "" => format!("{whole}Z"),
        zone => format!("{whole} {}", text::line(zone, 60)),
    }
}

fn event(event: &Value) -> Value {
    let flag = |field: &str| event.get(field).and_then(Value::as_bool).unwrap_or_default();
    let is_day = flag("isAllDay");
    let attendees = event["attendees"].as_array().map(Vec::as_slice).unwrap_or_default();
    let attendee = |one: &Value| {
        let response = string(&one["status"], "response");
        person(one).map(|name| if response.is_empty() { name } else { format!("{name}: {}", text::line(response, 30)) })
    };
    let mut row = json!({
        "id": string(event, "id"),
        "subject": text::line(string(event, "subject"), SUBJECT),
        "start": time(&event["start"], is_day),
        "end": time(&event["end"], is_day),
        "organizer": event.get("organizer").and_then(person),
        "attendees": first(attendees.iter().filter_map(attendee), attendees.len(), ATTENDEES),
        "response": text::line(string(&event["responseStatus"], "response"), 30),
        "show_as": text::line(string(event, "showAs"), 30),
        "preview": text::line(string(event, "bodyPreview"), PREVIEW),
    });
    let more = [
        ("location", text::line(string(&event["location"], "displayName"), NAME)),
        ("join", text::line(string(&event["onlineMeeting"], "joinUrl"), 1_000)),
    ];
    for (name, value) in more.into_iter().filter(|(_, value)| !value.is_empty()) {
        row[name] = value.into();
    }
    for (name, is) in [("all_day", is_day), ("cancelled", flag("isCancelled"))] {
        if is {
            row[name] = true.into();
        }
    }
    row
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindTime {
    attendees: Vec<String>,
    from: String,
    to: String,
    minutes: u32,
}

/// Worked out here from everybody's view: the call that would do it at Graph needs a scope that no bundle has.
pub(super) async fn find_time(run: &Run<'_>, asked: FindTime) -> Result<Value, ToolError> {
    arguments::addresses("attendees", &asked.attendees)?;
    if asked.attendees.len() > MOST_ATTENDEES {
        return Err(ToolError::Arguments(format!("The argument attendees has more than {MOST_ATTENDEES} addresses.")));
    }
    let (from, to) = (arguments::moment("from", &asked.from)?, arguments::moment("to", &asked.to)?);
    span(from, to, MOST_DAYS_FREE)?;
    let minutes = i64::from(asked.minutes);
    if !(1..=1440).contains(&minutes) {
        return Err(ToolError::Arguments("The argument minutes has to be 1 to 1440.".to_owned()));
    }
    let me = run.graph.get("me?$select=mail,userPrincipalName", &[]).await?;
    let own = [string(&me, "mail"), string(&me, "userPrincipalName")].into_iter().find(|name| !name.is_empty());
    let mut all: Vec<&str> = own.into_iter().collect();
    for address in &asked.attendees {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(address)) {
            all.push(address);
        }
    }
    let point =
        |moment: Timestamp| json!({ "dateTime": moment.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC" });
    let question = json!({
        "schedules": all, "startTime": point(from), "endTime": point(to), "availabilityViewInterval": SLOT,
    });
    let answer = run.graph.post("me/calendar/getSchedule", &question, HEADERS).await?;
    let schedules = answer["value"].as_array().ok_or(ToolError::Unreadable)?;
    let views: Vec<&[u8]> = schedules
        .iter()
        .filter(|one| one.get("error").is_none_or(Value::is_null))
        .map(|one| string(one, "availabilityView").as_bytes())
        .collect();
    let mut free: Vec<Value> = Vec::new();
    let spans = free_spans(&views, (minutes + SLOT - 1) / SLOT);
    for (begin, end) in spans.iter().take(MOST_FREE) {
        let at =
            |slot: i64| from.checked_add(Span::new().minutes(slot * SLOT)).map(|at| arguments::written(at.min(to)));
        if let (Ok(begin), Ok(end)) = (at(*begin), at(*end)) {
            free.push(json!({ "from": begin, "to": end }));
        }
    }
    let people: Vec<Value> = schedules.iter().take(MOST_ATTENDEES + 1).map(known_of).collect();
    Ok(json!({ "free": free, "people": people, "more": spans.len() > MOST_FREE }))
}

/// Whose view it is, when they work, and why it is not known: then they are not reckoned with.
fn known_of(schedule: &Value) -> Value {
    let mut row = json!({ "address": text::line(string(schedule, "scheduleId"), NAME) });
    if let Some(error) = schedule.get("error").filter(|error| !error.is_null()) {
        row["unknown"] = text::line(string(error, "message"), 200).into();
    }
    if let Some(hours) = schedule.get("workingHours").filter(|hours| hours.is_object()) {
        let days = hours["daysOfWeek"].as_array().map(Vec::as_slice).unwrap_or_default();
        let days: Vec<&str> = days.iter().filter_map(Value::as_str).take(7).collect();
        let clock = |field| string(hours, field).get(..5).unwrap_or_default().to_owned();
        let zone = string(&hours["timeZone"], "name");
        let text = format!("{} {}-{} {zone}", days.join(","), clock("startTime"), clock("endTime"));
        row["working_hours"] = text::line(&text, NAME).into();
    }
    row
}

/// From which slot up to which everybody is free, for so many slots at least. Free: nothing, or working elsewhere.
fn free_spans(views: &[&[u8]], least: i64) -> Vec<(i64, i64)> {
    let length = views.iter().map(|view| view.len()).min().unwrap_or_default();
    let is_free = |at: usize| views.iter().all(|view| matches!(view.get(at), Some(b'0' | b'4')));
    let mut spans = Vec::new();
    let mut begun: Option<i64> = None;
    for (slot, at) in (0i64..).zip(0..=length) {
        match (at < length && is_free(at), begun) {
            (true, None) => begun = Some(slot),
            (false, Some(begin)) => {
                if slot - begin >= least {
                    spans.push((begin, slot));
                }
                begun = None;
            }
            _ => {}
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_free_where_everybody_is_for_long_enough() {
        let spans =
            |views: &[&str], least| free_spans(&views.iter().map(|view| view.as_bytes()).collect::<Vec<_>>(), least);
        assert_eq!(spans(&["0022000", "0000400"], 2), [(0, 2), (4, 7)]);
        assert_eq!(spans(&["0022000", "0000400"], 3), [(4, 7)]);
        assert_eq!(spans(&["012345"], 1), [(0, 1), (4, 5)]);
        assert_eq!(spans(&["0000", "00"], 1), [(0, 2)]);
        assert!(spans(&[], 1).is_empty() && spans(&["", "00"], 1).is_empty());
    }
}
