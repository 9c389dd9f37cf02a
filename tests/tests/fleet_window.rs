//! The window of a machine that shares a profile: whom it shows, when it runs a gateway, and how it comes and goes.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{
    Keychain, Machine, Window, end_app, execute, execute_with, service, until, window_is_running, window_process,
};
use atthene_test_support::databases;

/// What the other host's gateway listens on.
const ELSEWHERE: &str = "8801";

/// Presses what leads the machine to other rows, and waits until the app has started anew with them. The session ends with
/// the first process.
async fn switch(window: &Window, machine: &Machine, is_shared: bool) -> Result<()> {
    let before = window_process()?.context("no window")?;
    window.click("#switch-confirm").await?;
    let switched = until("the app to start anew", || async {
        let anew = window_process()?.is_some_and(|process| process != before);
        Ok((anew && machine.data_dir().join("fleet.json").exists() == is_shared).then_some(()))
    })
    .await;
    if switched.is_err() {
        let said =
            window.script("return document.querySelector('[role=dialog], [role=alertdialog]')?.textContent").await;
        return switched.with_context(|| format!("the dialog says {said:?}"));
    }
    Ok(())
}

/// A new session, in place of the one that ended with its process.
async fn look_again(machine: &Machine, ended: Window) -> Result<Window> {
    drop(ended);
    end_app().await?;
    Window::open(machine).await
}

async fn open_data(window: &Window) -> Result<()> {
    window.press("Preferences").await?;
    window.press("Data").await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_window_joins_shows_all_hosts_runs_a_gateway_only_when_asked_and_leaves() -> Result<()> {
    let database = databases::empty();
    let (server, desk) = (Machine::server()?, Machine::new()?);
    let keychain = Keychain::unlocked(&desk).await?;
    server.done(&["config", "set", "vault", "file"]).await?;
    server.done(&["fleet", "init", &database]).await?;
    let invite = server.home().join("desk.age");
    let invited = server.done(&["--json", "fleet", "invite", invite.to_str().context("a path")?]).await?.json()?;
    let (serving, _) = server.serve(&["--port", ELSEWHERE]).await?;

    // Joins, with a passphrase that is wrong at first.
    let window = Window::open(&desk).await?;
    window.find("[data-gateway=listening]").await?;
    open_data(&window).await?;
    window.click("#join-shared").await?;
    window.click("#choose-invite").await?;
    window.choose_file("Choose an invite", &invite).await?;
    window.fill("#invite-passphrase", "not the passphrase").await?;
    window.click("#switch-confirm").await?;
    window.shows("[role=dialog]", "passphrase does not open").await?;
    window.picture("shared-join").await?;
    window.find("[data-gateway=listening]").await.context("the gateway of before came back")?;
    window.fill("#invite-passphrase", invited["passphrase"].as_str().context("a passphrase")?).await?;
    switch(&window, &desk, true).await?;

    // Administers what others serve.
    let window = look_again(&desk, window).await?;
    window.find("[data-gateway=elsewhere]").await?;
    ensure!(service()?.is_none(), "a gateway was started that nobody asked for");
    window.press("API Keys").await?;
    window.shows("main", "This machine runs no gateway").await?;
    let key = window.create_key("All").await?;
    window.shows("#not-tried", "did not try the key itself").await?;
    window.copy_and_close().await?;
    let far = format!("http://127.0.0.1:{ELSEWHERE}");
    until("the key to be known elsewhere", || async {
        Ok((execute_with(&far, &key).await?.status == 200).then_some(()))
    })
    .await?;
    window.picture("shared-keys").await?;
    window.press("Usage").await?;
    until("the other host to be named", || async {
        let rows =
            window.script("return document.querySelectorAll('table[aria-label=\"By host\"] tbody tr').length").await?;
        Ok((rows == 1).then_some(()))
    })
    .await?;
    window.picture("shared-usage").await?;

    // Runs one here when it is asked to, and no longer than that.
    open_data(&window).await?;
    window.shows("main", "serves").await?;
    window.picture("shared-data").await?;
    window.click("#gateway-here").await?;
    window.find("[data-gateway=listening]").await?;
    ensure!(execute(&key).await?.status == 200);
    window.click("#gateway-here").await?;
    window.find("[data-gateway=elsewhere]").await?;
    until("no gateway here", || async { Ok(service()?.is_none().then_some(())) }).await?;
    ensure!(window_is_running()?, "the window was closed with it");

    // Nobody serves: that is said on every page.
    drop(serving);
    window.shows("[data-banner]", "No gateway serves this profile").await?;
    window.picture("shared-nobody").await?;
    // It will not come back.
    window.click("[data-there=false] button").await?;
    until("the other host to be off the list", || async {
        let listed = window.script("return document.querySelectorAll('[data-host]').length").await?;
        Ok((listed == 1).then_some(()))
    })
    .await?;
    window.press("Activity").await?;
    window.shows("main", "forgot the host").await?;
    window.picture("shared-activity").await?;
    open_data(&window).await?;

    window.click("#leave-shared").await?;
    switch(&window, &desk, false).await?;
    let window = look_again(&desk, window).await?;
    window.find("[data-gateway=listening]").await?;
    window.press("API Keys").await?;
    window.press("Keys").await?;
    window.shows("main", "No API key yet").await?;
    window.close().await?;
    keychain.stop().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_window_shares_its_profile_and_its_gateway_goes_on() -> Result<()> {
    let machine = Machine::new()?;
    let keychain = Keychain::unlocked(&machine).await?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("Ours").await?;
    window.shows("#trial", "200").await?;
    window.copy_and_close().await?;
    open_data(&window).await?;
    window.click("#share-profile").await?;
    window.fill("#shared-url", "mysql://db.example/atthene").await?;
    window.click("#switch-confirm").await?;
    window.shows("[role=dialog]", "no address of a PostgreSQL database").await?;
    window.find("[data-gateway=listening]").await.context("the gateway of before came back")?;
    window.fill("#shared-url", &databases::empty()).await?;
    window.fill("#shared-password", "planted-database-password").await?;
    switch(&window, &machine, true).await?;
    until("the key to open again", || async { Ok((execute(&key).await?.status == 200).then_some(())) }).await?;
    let window = look_again(&machine, window).await?;
    window.find("[data-gateway=listening]").await?;
    open_data(&window).await?;
    window.shows("main", "In PostgreSQL").await?;
    let held = machine.any_file_holds("planted-database-password")?;
    ensure!(held.is_none(), "{held:?}");
    window.close().await?;
    keychain.stop().await
}
