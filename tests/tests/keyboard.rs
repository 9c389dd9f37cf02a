//! The window without a pointer, as somebody works who uses none.

use anyhow::{Result, ensure};
use atthene_e2e::{Browser, Emulate, Keychain, Machine, Window, until};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const DOWN: &str = "\u{e015}";
const RIGHT: &str = "\u{e014}";
/// More stops than the longest page has.
const STOPS: usize = 120;

/// Goes from stop to stop until this one has the focus, and sees that it shows that.
async fn tab_to(window: &Window, selector: &str) -> Result<()> {
    window.find(selector).await?;
    for _ in 0..STOPS {
        if window.script(&format!("return document.activeElement.matches('{selector}')")).await? == true {
            let outline = window
                .script("const it = getComputedStyle(document.activeElement); return it.outlineStyle + it.boxShadow")
                .await?;
            ensure!(outline != "nonenone", "{selector} does not show that it has the focus");
            return Ok(());
        }
        window.keys(TAB).await?;
    }
    anyhow::bail!("no way to {selector} with the Tab key")
}

/// Goes there and presses Enter.
async fn enter(window: &Window, selector: &str) -> Result<()> {
    tab_to(window, selector).await?;
    window.keys(ENTER).await
}

/// Control and this key.
async fn control(window: &Window, key: &str) -> Result<()> {
    window.keys(&format!("\u{e009}{key}\u{e000}")).await
}

/// Waits until this has the focus by itself.
async fn focused(window: &Window, selector: &str) -> Result<()> {
    let look = format!("return document.activeElement.matches('{selector}')");
    until(&format!("{selector} to have the focus"), || async {
        Ok((window.script(&look).await? == true).then_some(()))
    })
    .await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn the_window_goes_by_the_keyboard_alone() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    the_life_of_a_key(&window).await?;
    integrations_and_tools(&window).await?;
    the_record_and_preferences(&window).await?;
    stop_and_resume(&window).await?;
    window.close().await
}

async fn the_life_of_a_key(window: &Window) -> Result<()> {
    control(window, "n").await?;
    focused(window, "#key-name").await?;
    window.keys("First").await?;
    window.keys(ENTER).await?;
    window.shows("#trial[data-status=\"200\"]", "The gateway works").await?;
    enter(window, "#copy-key").await?;
    window.shows("#copy-status", "Copied").await?;
    enter(window, "#new-key-done").await?;
    window.gone("[role=dialog]").await?;

    enter(window, "#replace-key").await?;
    focused(window, "#key-name").await?;
    window.keys("Second").await?;
    window.keys(ENTER).await?;
    enter(window, "#issue-key").await?;
    window.gone("#issue-key").await?;
    enter(window, "#copy-key").await?;
    enter(window, "#new-key-done").await?;
    window.gone("[role=dialog]").await?;
    window.shows("[data-key]", "Second").await?;

    enter(window, "#describe-key").await?;
    focused(window, "#describe-name").await?;
    window.keys(" of two").await?;
    window.keys(TAB).await?;
    window.keys("Ask Grace first.").await?;
    window.keys(ENTER).await?;
    window.gone("[role=dialog]").await?;
    window.shows("[data-key]", "Second of two").await?;
    window.shows("[data-key]", "Ask Grace first.").await?;

    enter(window, "#ended-keys").await?;
    window.shows("[data-state=replaced]", "First").await?;
    enter(window, "#revoke-key").await?;
    focused(window, "#revoke-keep").await?;
    enter(window, "#revoke-confirm").await?;
    window.gone("[role=alertdialog]").await?;
    window.shows("main", "No key is live").await?;
    Ok(())
}

async fn integrations_and_tools(window: &Window) -> Result<()> {
    control(window, "2").await?;
    focused(window, "main h1").await?;
    enter(window, "#add-integration").await?;
    enter(window, "#pick-microsoft").await?;
    tab_to(window, "#integration-name").await?;
    window.keys("Ours").await?;
    tab_to(window, "#client-id").await?;
    window.keys("not an id").await?;
    window.keys(ENTER).await?;
    // To the first field that is wrong.
    focused(window, "[aria-invalid=true]").await?;

    control(window, "3").await?;
    focused(window, "main h1").await
}

async fn the_record_and_preferences(window: &Window) -> Result<()> {
    control(window, "4").await?;
    focused(window, "main h1").await?;
    window.keys("/").await?;
    focused(window, "#activity-search").await?;
    window.keys("Second").await?;
    enter(window, "[data-kind=key_described]").await?;
    window.shows("[role=dialog]", "Ask Grace first.").await?;
    window.keys(ESCAPE).await?;
    window.gone("[role=dialog]").await?;
    focused(window, "[data-kind=key_described]").await?;

    control(window, ",").await?;
    focused(window, "main h1").await?;
    tab_to(window, "#tab-settings").await?;
    window.keys(RIGHT).await?;
    enter(window, "#data-reset").await?;
    window.find("[role=alertdialog]").await?;
    window.keys(ESCAPE).await?;
    window.gone("[role=alertdialog]").await?;

    control(window, "k").await?;
    focused(window, "#palette").await?;
    window.keys("tools").await?;
    window.keys(DOWN).await?;
    window.keys(ENTER).await?;
    window.gone("[role=dialog]").await?;
    window.keys("?").await?;
    window.shows("[role=dialog]", "Keyboard shortcuts").await?;
    window.keys(ESCAPE).await?;
    window.gone("[role=dialog]").await
}

async fn stop_and_resume(window: &Window) -> Result<()> {
    enter(window, "#stop-everything").await?;
    window.find("[role=alertdialog]").await?;
    enter(window, "#stop-confirm").await?;
    window.gone("[role=alertdialog]").await?;
    enter(window, "#resume").await?;
    window.find("[data-gateway=listening]").await?;
    enter(window, "#attention").await?;
    window.find("[data-attention]").await?;
    window.keys(ESCAPE).await?;
    window.gone("[data-attention]").await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn signing_in_goes_by_the_keyboard_alone() -> Result<()> {
    let machine = Machine::new()?;
    Browser::install(&machine)?;
    let keychain = Keychain::unlocked(&machine).await?;
    let microsoft = Emulate::for_anybody(&machine).await?;
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    an_integration(&window).await?;

    control(&window, "3").await?;
    focused(&window, "main h1").await?;
    enter(&window, "#connect-outlook").await?;
    window.shows("#connect-integration", "Contoso").await?;
    enter(&window, "#open-browser").await?;
    window.find("[data-sign-in=waiting]").await?;
    let browser = Browser::attach(&machine).await?;
    browser.sign_in("ada@contoso.example").await?;
    window.find("[data-sign-in=confirm]").await?;
    enter(&window, "#use-account").await?;
    window.find("[data-sign-in=done]").await?;
    enter(&window, "#connect-done").await?;
    window.gone("[role=dialog]").await?;
    an_account(&window).await?;

    window.close().await?;
    microsoft.stop().await?;
    keychain.stop().await
}

/// Added, checked, found by its keys, made the default.
async fn an_integration(window: &Window) -> Result<()> {
    control(window, "2").await?;
    focused(window, "main h1").await?;
    enter(window, "#add-integration").await?;
    enter(window, "#pick-microsoft").await?;
    for (field, text) in [("#integration-name", "Contoso"), ("#client-id", Emulate::CLIENT_ID)] {
        tab_to(window, field).await?;
        window.keys(text).await?;
    }
    enter(window, "#cloud").await?;
    window.find("[role=option]").await?;
    window.keys("Another").await?;
    window.keys(ENTER).await?;
    window.gone("[role=option]").await?;
    for (field, text) in [("#issuer", Emulate::ISSUER), ("#graph", Emulate::GRAPH)] {
        tab_to(window, field).await?;
        window.keys(text).await?;
    }
    tab_to(window, "input[name=way-back]:checked").await?;
    enter(window, ".bundles button").await?;
    enter(window, "#save-integration").await?;
    window.find("[data-health=passed]").await?;
    tab_to(window, "[data-row]").await?;
    window.keys(ENTER).await?;
    window.shows("main", Emulate::CLIENT_ID).await?;
    Ok(())
}

/// Looked at, asked for its part of the record, disconnected.
async fn an_account(window: &Window) -> Result<()> {
    window.find("[data-connection][data-state=connected]").await?;
    enter(window, "[data-row]").await?;
    enter(window, "[aria-label^=\"Test \"]").await?;
    window.shows("[data-probe=passed]", "Ada Lovelace").await?;

    control(window, "k").await?;
    focused(window, "#palette").await?;
    window.keys("done as ada").await?;
    window.shows("[role=dialog]", "What was done as ada@contoso.example").await?;
    window.keys(ENTER).await?;
    window.find("[data-account=\"ada@contoso.example\"]").await?;
    window.find("[data-kind=sign_in]").await?;
    tab_to(window, "#timeline-signed").await?;

    control(window, "k").await?;
    focused(window, "#palette").await?;
    window.keys("connect an account").await?;
    window.keys(ENTER).await?;
    window.find("#open-browser").await?;
    window.keys(ESCAPE).await?;
    window.gone("[role=dialog]").await?;
    enter(window, "[data-row]").await?;
    enter(window, "[aria-label^=\"Disconnect \"]").await?;
    window.find("[role=alertdialog]").await?;
    enter(window, "#disconnect-confirm").await?;
    window.gone("[role=alertdialog]").await?;
    window.shows("[data-toolkit=outlook]", "Nobody is connected yet").await?;
    Ok(())
}
