//! Fills a profile hour by hour, the way two years of use would, and prints what each page
//! costs on the way: one JSON object a line. `cargo xtask bench store` runs it.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use atthene_core::activity::{ActivityFilter, Call, CallOutcome, Caller, Span};
use atthene_core::keys::{Expiry, NewKey};
use atthene_core::problem::ProblemCode;
use atthene_core::{Clock, Core, UnixMs};
use atthene_store::DATABASE_FILE;
use atthene_test_support::open;
use atthene_vault::MemoryVault;
use serde_json::json;

/// Programs that call, each with a burst of refusals an hour: as many rows of the record.
const PROGRAMS: usize = 64;
/// Refused calls that make a burst.
const BURST: usize = 20;
const HOURS: i64 = 730 * 24;
const ROWS: [i64; 3] = [10_000, 100_000, 1_000_000];

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let now = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = {
        let now = now.clone();
        Clock::from_fn(move || UnixMs(now.load(Ordering::Relaxed)))
    };
    let core = open(std::path::Path::new(&folder), clock, MemoryVault::default()).expect("opens");
    let new = NewKey { name: "bench".into(), expiry: Expiry::Never, replaces: None };
    let (key, _) = core.keys.create(new).expect("creates");
    let callers: Vec<Caller> = (0..PROGRAMS)
        .map(|n| Caller { program: format!("node service-{n}.js").into(), user_agent: "undici".into() })
        .collect();

    let mut next = ROWS.iter().copied();
    let mut wanted = next.next();
    let mut batches = Vec::new();
    for hour in 0..HOURS {
        for caller in &callers {
            let call = |outcome| Call {
                key: Some(key.id.clone()),
                caller: caller.clone(),
                outcome,
                bytes_in: 400,
                bytes_out: 2_000,
                gateway_time: Some(Duration::from_micros(60)),
                runtime_time: Some(Duration::from_millis(40)),
                trouble: None,
            };
            core.usage.record(call(CallOutcome::Answered));
            (0..BURST).for_each(|_| core.usage.record(call(CallOutcome::Refused(ProblemCode::ReplacedKey))));
        }
        let started = Instant::now();
        core.usage.flush().expect("writes");
        batches.push(started.elapsed());
        now.fetch_add(UnixMs::HOUR, Ordering::Relaxed);
        if hour % 24 == 0 {
            core.usage.roll_up().expect("rolls up");
        }
        let rows = core.activity.newest().expect("reads");
        if wanted.is_some_and(|wanted| rows >= wanted) || hour == HOURS - 1 {
            report(&core, &folder, rows, hour + 1, &mut batches);
            wanted = next.next();
        }
    }
}

fn report(core: &Core, folder: &str, rows: i64, hours: i64, batches: &mut Vec<Duration>) {
    let page = |filter: ActivityFilter| core.activity.page(&filter, None).expect("reads").rows.len();
    let named = |name: &str| ActivityFilter { search: Some(name.into()), ..ActivityFilter::default() };
    let bytes: u64 = ["", "-wal"]
        .iter()
        .filter_map(|end| std::fs::metadata(format!("{folder}/{DATABASE_FILE}{end}")).ok())
        .map(|meta| meta.len())
        .sum();
    batches.sort_unstable();
    let batch = batches[batches.len() / 2];
    batches.clear();
    let figures = json!({
        "activity_rows": rows,
        "usage_hours": hours,
        "database_mb": bytes as f64 / 1024.0 / 1024.0,
        "batch_ms": ms(batch),
        "keys_page_ms": median(|| { core.keys.list().expect("reads"); core.usage.last_day().expect("reads"); }),
        "usage_day_ms": median(|| drop(core.usage.report(Span::Day).expect("reads"))),
        "usage_quarter_ms": median(|| drop(core.usage.report(Span::Quarter).expect("reads"))),
        "activity_page_ms": median(|| { page(ActivityFilter::default()); }),
        "activity_search_ms": median(|| { page(named("service-7.js")); }),
        "activity_search_nothing_ms": median(|| { page(named("no such thing")); }),
        "attention_ms": median(|| drop(core.attention().expect("reads"))),
        "verify_ms": once(|| _ = core.activity.verify().expect("walks")),
    });
    println!("{figures}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn once(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    ms(started.elapsed())
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..5).map(|_| once(&mut work)).collect();
    times.sort_by(f64::total_cmp);
    times[2]
}
