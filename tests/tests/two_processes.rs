//! Window and service are two processes: a crash of either leaves the other alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Machine, Window, end_app, execute, kill_window, output, service, until};

async fn kill_at_once(process: u32) -> Result<()> {
    output("kill", &["-9", &process.to_string()]).await.map(drop)
}

/// Calls without a pause until it is told to end, and counts what was answered.
async fn load(key: String, go_on: Arc<AtomicBool>, answered: Arc<AtomicU64>) -> Result<()> {
    while go_on.load(Ordering::Relaxed) {
        let answer = execute(&key).await?;
        ensure!(answer.status == 200, "after {} calls: {answer:?}", answered.load(Ordering::Relaxed));
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_window_that_is_killed_under_load_costs_no_call_and_no_count() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("Load").await?;
    window.shows("#trial", "200").await?;
    window.copy_and_close().await?;
    let (go_on, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..3).map(|_| tokio::spawn(load(key.clone(), go_on.clone(), answered.clone()))).collect();
    let more_than = |calls: u64| {
        let answered = answered.clone();
        until("more calls to be answered", move || {
            let answered = answered.load(Ordering::Relaxed);
            async move { Ok((answered > calls).then_some(answered)) }
        })
    };
    let before = more_than(20).await?;
    kill_window().await?;
    more_than(before + 20).await?;
    go_on.store(false, Ordering::Relaxed);
    for caller in callers {
        caller.await??;
    }
    let calls = answered.load(Ordering::Relaxed);
    ensure!(calls > 10, "{calls} calls are no load");
    // And the one that the window made itself.
    until("every call to be counted", || async {
        let keys = machine.run(&["--json", "key", "list"]).await?.json()?;
        let counted = keys[0]["requests"].as_u64().context("no count")?;
        ensure!(counted == calls + 1, "{counted} of {calls} and one");
        Ok(Some(()))
    })
    .await?;
    drop(window);
    end_app().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_service_that_is_killed_is_missed_within_a_second_and_brought_back() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("Survives").await?;
    window.copy_and_close().await?;
    window.find("[data-gateway=listening]").await?;
    // The page notes for itself when it said what.
    window
        .script(
            "window.said = [];
             const look = () => {
               const state = document.querySelector('[data-gateway]')?.dataset.gateway;
               if (state && window.said.at(-1)?.[0] !== state) window.said.push([state, performance.now()]);
             };
             look(); new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
             window.began = performance.now()",
        )
        .await?;
    let before = service()?.context("no service")?;
    let killed = Instant::now();
    kill_at_once(before).await?;
    until("the page to have said that it was gone, and that it is back", || async {
        let said = window.script("return window.said.map(([state]) => state)").await?;
        let said = said.as_array().cloned().unwrap_or_default();
        let is_missed = said.iter().any(|state| state != "listening");
        Ok((is_missed && said.last().is_some_and(|state| state == "listening")).then_some(()))
    })
    .await?;
    let missed = window
        .script("return window.said.find(([state]) => state !== 'listening')[1] - window.began")
        .await?
        .as_f64()
        .context("no time")?;
    let after = service()?.context("no service came back")?;
    ensure!(after != before);
    ensure!(execute(&key).await?.status == 200, "the key is another one now");
    #[allow(clippy::print_stdout, reason = "a figure, printed and not judged")]
    {
        println!(
            "the window missed the service after {missed:.0} ms; it was back {} ms after its end",
            killed.elapsed().as_millis()
        );
    }
    window.close().await
}
