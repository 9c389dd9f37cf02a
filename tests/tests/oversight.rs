//! Who uses the key, what was done, what needs attention, and a life without a window.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{
    Machine, NotificationDaemon, Panel, Window, app_is_running, end_app, execute, execute_as, output, until,
};
use serde_json::Value;

/// What stands in a column of a program's row in the table.
async fn counted(window: &Window, program: &str, column: &str) -> Result<u64> {
    let cell = window.text(&format!("[data-row='{program}'] [data-{column}]")).await?;
    Ok(cell.trim().replace(',', "").parse()?)
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn two_applications_show_in_chart_table_and_export_and_a_refusal_is_explained() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let first = window.create_key("First").await?;
    for _ in 0..3 {
        execute(&first).await?;
    }
    for _ in 0..2 {
        execute_as("backup-job/2.1", &first).await?;
    }
    window.copy_and_close().await?;
    window.click("#tab-usage").await?;
    // Five of theirs, and the first, made by the app itself.
    window.shows("[data-figure=calls]", "6").await?;
    let curl = until("both programs", || async {
        let rows = window.script("return [...document.querySelectorAll('[data-row]')].length").await?;
        Ok((rows == 3).then_some(rows))
    })
    .await;
    curl.context("the table shows both applications and the app")?;
    window.picture("usage").await?;

    // The chart reads with the keyboard, and says what the table says.
    window.script("document.querySelector('[role=slider]').focus()").await?;
    window.keys("\u{e010}").await?;
    let read = window.find("[role=slider]").await?.attr("aria-valuetext").await?.unwrap_or_default();
    ensure!(read.contains("6 answered, 0 failed, 0 refused"), "{read}");
    window.script("document.querySelector('[name=split][value=program]').click()").await?;
    window.find("[data-line='curl backup-job/2.1']").await?;
    window.picture("usage-by-program").await?;
    window.script("document.querySelector('[role=slider]').focus()").await?;
    window.keys("\u{e010}").await?;
    let read = window.find("[role=slider]").await?.attr("aria-valuetext").await?.unwrap_or_default();
    ensure!(read.contains(": 3 curl curl/") && read.contains("2 curl backup-job/2.1"), "{read}");

    // A key that was replaced, and who still uses it.
    window.click("#tab-keys").await?;
    window.create_key("Second").await?;
    window.copy_and_close().await?;
    ensure!(execute(&first).await?.code() == "replaced_key");
    let refused = execute(&first).await?;
    let request_id = refused.body["request_id"].as_str().context("an id")?.to_owned();
    window.click("#tab-usage").await?;
    window.shows("[data-figure=calls]", "9").await?;
    window.shows("[data-refusal=replaced_key]", "First").await?;
    window.shows("[data-refusal=replaced_key]", "curl").await?;
    window.click(&format!("[data-request='{request_id}']")).await?;
    window.shows("[data-rung=failed]", "\"First\" was replaced on").await?;
    window.picture("explained").await?;
    window.press("Close").await?;
    window.gone("[role=dialog]").await?;

    // An export holds the same figures.
    let file = machine.home().join("usage.json");
    window.press("Export JSON").await?;
    window.choose_file("Save as", &file).await?;
    window.shows(".written", "rows written to").await?;
    let exported: Vec<Value> = serde_json::from_slice(&std::fs::read(&file)?)?;
    let sum = |agent: &str, outcome: &str| -> u64 {
        exported
            .iter()
            .filter(|row| {
                row["user_agent"].as_str().is_some_and(|it| it.starts_with(agent)) && row["outcome"] == outcome
            })
            .filter_map(|row| row["requests"].as_u64())
            .sum()
    };
    ensure!((sum("curl/", "answered"), sum("curl/", "replaced_key")) == (3, 2), "{exported:?}");
    ensure!(sum("backup-job", "answered") == 2, "{exported:?}");
    ensure!(counted(&window, "curl", "answered").await? == 3);
    ensure!(counted(&window, "curl", "refused").await? == 2);
    ensure!(!String::from_utf8_lossy(&std::fs::read(&file)?).contains(&first[15..]), "a key is in the export");

    // The record has it all, and its chain holds.
    window.press("Activity").await?;
    window.shows("[data-kind=key_created]", "Second").await?;
    // Of the days that were chosen, both included.
    window.choose("#activity-since", "Between two days").await?;
    for (from, to, any) in [("2020-01-01", "2020-01-02", false), ("2020-01-01", "2100-01-01", true)] {
        window.pick_day("#activity-from", from).await?;
        window.pick_day("#activity-to", to).await?;
        if any {
            window.shows("[data-kind=key_created]", "Second").await?;
        } else {
            window.gone("[data-kind=key_created]").await?;
        }
    }
    window.pick_day("#activity-from", "2100-01-02").await?;
    window.shows("#activity-to-hint", "This day lies before the first one.").await?;
    window.picture("activity-days").await?;
    window.choose("#activity-since", "All time").await?;
    window.press("Verify").await?;
    window.find("[data-chain=sound]").await?;
    window.picture("activity").await?;
    let db = rusqlite::Connection::open(machine.data_dir().join("atthene.db"))?;
    db.execute("UPDATE activity SET actor = 'policy' WHERE id = 1", [])?;
    window.press("Verify").await?;
    window.shows("[data-chain=broken]", "row 1").await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_notification_is_raised_once_and_its_button_fixes_it() -> Result<()> {
    let machine = Machine::new()?;
    let daemon = NotificationDaemon::start(&machine).await?;
    let window = Window::open(&machine).await?;
    window.click("#new-key").await?;
    window.fill("#key-name", "Ends soon").await?;
    window.choose("#key-expiry", "7 days").await?;
    window.click("[form=create-key]").await?;
    window.find("#new-key-text").await?;
    window.copy_and_close().await?;
    window.click("#attention").await?;
    window.shows("[data-attention]", "“Ends soon” expires in 7 days").await?;
    daemon.shown("expires in 7 days", 1).await?;
    window.close().await?;

    // Neither a restart nor more news raise it again; another one comes after it, so that its
    // absence is seen.
    let window = Window::open(&machine).await?;
    window.shows("#attention", "1 thing needs you").await?;
    window.press("Preferences").await?;
    window.fill("#runtime-url", "http://127.0.0.1:9").await?;
    window.click("#save-runtime").await?;
    window.gone("#save-runtime").await?;
    window.press("API Keys").await?;
    let key = window.press_new_key_from_attention("Next").await?;
    ensure!(execute(&key).await?.code() == "runtime_unreachable");
    window.copy_and_close().await?;
    daemon.shown("can’t be reached", 1).await?;
    daemon.shown("expires in 7 days", 1).await?;
    window.close().await?;
    daemon.stop().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn without_a_window_the_service_serves_and_another_start_brings_it_back() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("Quiet").await?;
    window.copy_and_close().await?;
    window.leave().await?;
    ensure!(execute(&key).await?.status == 200, "the gateway ended with the window");

    let _second = machine.command(Machine::app()?).spawn()?;
    until("the window to be back", || async {
        Ok(output("wmctrl", &["-l"]).await?.contains("ATTHENE Settings").then_some(()))
    })
    .await?;
    ensure!(execute(&key).await?.status == 200);
    end_app().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn everything_stops_at_once_and_goes_on_only_on_purpose() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("Stopped").await?;
    window.copy_and_close().await?;
    window.click("#stop-everything").await?;
    let focused = window.script("return document.activeElement.textContent.trim()").await?;
    ensure!(focused == "Keep it running", "the focus is on {focused}");
    window.click("#stop-confirm").await?;
    window.shows("[role=alert]", "Everything is stopped").await?;
    ensure!(execute(&key).await?.code() == "stopped");
    window.close().await?;

    let window = Window::open(&machine).await?;
    window.find("[data-gateway=refusing]").await?;
    ensure!(execute(&key).await?.code() == "stopped", "a restart let it go on");
    window.picture("stopped").await?;
    window.click("#resume").await?;
    window.find("[data-gateway=listening]").await?;
    ensure!(execute(&key).await?.status == 200);
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn the_tray_says_what_the_gateway_does_and_stops_it() -> Result<()> {
    let machine = Machine::new()?;
    let panel = Panel::start(&machine).await?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("Tray").await?;
    window.copy_and_close().await?;
    panel.menu_shows("The gateway listens at http://127.0.0.1:8765").await?;
    // With a tray, closing asks nothing and the gateway goes on.
    window.leave().await?;
    ensure!(execute(&key).await?.status == 200);
    panel.choose("Stop everything").await?;
    panel.menu_shows("Everything is stopped").await?;
    ensure!(execute(&key).await?.code() == "stopped");
    panel.choose("Resume").await?;
    until("the gateway to go on", || async { Ok((execute(&key).await?.status == 200).then_some(())) }).await?;
    panel.choose("Open ATTHENE Settings").await?;
    until("the window to be back", || async {
        Ok(output("wmctrl", &["-l"]).await?.contains("ATTHENE Settings").then_some(()))
    })
    .await?;
    panel.choose("Quit").await?;
    until("the app to end", || async { Ok((!app_is_running()?).then_some(())) }).await?;
    panel.stop().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn preferences_are_kept_and_data_is_backed_up_and_put_back() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.press("Preferences").await?;
    window.choose("#theme", "Dark").await?;
    window.choose("#log-level", "Debug").await?;
    until("the page to be dark", || async {
        let dark = window.script("return matchMedia('(prefers-color-scheme: dark)').matches").await?;
        Ok((dark == true).then_some(()))
    })
    .await?;
    let file = machine.home().join("copy.backup");
    window.click("#tab-data").await?;
    window.click("#data-backup").await?;
    window.choose_file("Save as", &file).await?;
    window.shows("main", "readable by you only").await?;
    window.click("#tab-settings").await?;
    window.choose("#theme", "Light").await?;
    // No file was chosen for it: a page alone puts nothing back.
    let done = window.invoke("restore", "{}").await?;
    ensure!(done["code"] == "backup_failed", "{done}");
    window.click("#tab-data").await?;
    window.click("#data-restore").await?;
    window.choose_file("Choose a backup", &file).await?;
    window.shows("[role=alertdialog]", "copy.backup").await?;
    window.picture("restore-ask").await?;
    window.click("#restore-confirm").await?;
    window.shows("[role=dialog]", "Setting theme").await?;
    window.shows("[role=dialog]", "No key is live").await?;
    window.picture("restored").await?;
    window.click("#restore-done").await?;
    until("the backup to be in force", || async {
        let dark = window.script("return matchMedia('(prefers-color-scheme: dark)').matches").await?;
        Ok((dark == true).then_some(()))
    })
    .await?;

    window.click("#tab-check").await?;
    window.find("[data-finding=gateway][data-state=good]").await?;
    window.find("[data-finding=clipboard][data-state=good]").await?;
    window.find("[data-finding=key][data-state=not_set_up]").await?;
    window.picture("self-check").await?;

    // Nobody planted a secret in the log, and it is there.
    let logs = std::fs::read_dir(machine.data_dir().join("logs"))?.count();
    ensure!(logs > 0, "there is no log");
    window.close().await
}
