//! A new key from its name to the answer of a call, and every way in which a key may not get lost.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Machine, Window, end_app, execute, kill_window, output, until};

async fn clipboard() -> String {
    output("xclip", &["-out", "-selection", "clipboard"]).await.unwrap_or_default()
}

/// Asks for a key; its dialog opens, and nothing is done in it.
async fn ask_for_key(window: &Window, name: &str) -> Result<()> {
    window.click("#new-key, #replace-key").await?;
    window.fill("#key-name", name).await?;
    window.keys("\u{e007}").await?;
    window.find("#new-key-text").await.map(drop)
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn the_answer_of_a_call_stands_in_the_dialog_and_its_snippet_works_as_it_was_copied() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    let begun = std::time::Instant::now();
    ask_for_key(&window, "Agents").await?;
    window.shows("#trial[data-status=\"200\"] pre", "The gateway works").await?;
    println!("from New key to the answer: {} ms", begun.elapsed().as_millis());
    window.shows("#first-call", "Waiting for the first call of another program").await?;

    // The page has the key only where somebody asked to see it; what is copied holds it.
    let page = window.script("return document.body.innerHTML").await?.to_string();
    window.click("[role=dialog] [aria-label='Copy the curl snippet']").await?;
    let snippet = until("the snippet on the clipboard", || async {
        let held = clipboard().await;
        Ok(held.contains("curl").then_some(held))
    })
    .await?;
    let key = snippet.split('\'').nth(1).context("a key in quotes")?.to_owned();
    ensure!(key.starts_with("atk_") && !key.contains('•') && !page.contains(&key), "the page was given the key");
    let answer = output("sh", &["-c", &snippet]).await?;
    ensure!(answer.contains("\"output\":\"The gateway works."), "{answer}");
    window.shows("[data-first-call=moved]", "curl").await?;

    window.click("#new-key-done").await?;
    window.gone("#new-key-text").await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_program_that_was_refused_instead_is_named() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let old = window.create_key("Before").await?;
    window.copy_and_close().await?;
    ensure!(execute(&old).await?.status == 200);
    ask_for_key(&window, "After").await?;
    window.click("#issue-key").await?;
    window.shows("[data-first-call=waiting]", "not seen with this one yet").await?;
    ensure!(execute("YOUR_API_KEY").await?.code() == "invalid_key");
    window.shows("[data-first-call=refused]", "the placeholder of the samples").await?;
    let new = window.revealed_key().await?;
    ensure!(execute(&new).await?.status == 200);
    window.shows("[data-first-call=moved]", "with the new key").await?;
    window.copy_and_close().await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn d1_until_it_is_taken_a_key_changes_nothing_whatever_becomes_of_the_page() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    let old = window.create_key("Old").await?;
    window.copy_and_close().await?;

    // Loaded again, the page finds the dialog; the old key lives on.
    ask_for_key(&window, "New").await?;
    window.script("location.reload()").await?;
    window.shows("[role=dialog]", "Your new key is ready").await?;
    ensure!(execute(&old).await?.status == 200, "the old key ended before the new one was taken");
    // Closed, nothing has changed.
    window.click("#new-key-done").await?;
    window.gone("#new-key-text").await?;
    ensure!(execute(&old).await?.status == 200);

    // Killed, too.
    ask_for_key(&window, "New").await?;
    kill_window().await?;
    drop(window);
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    ensure!(execute(&old).await?.status == 200, "a crash ended the old key");

    // In force and loaded again, it is still held, and the window lets nobody lose it.
    ask_for_key(&window, "New").await?;
    window.click("#issue-key").await?;
    window.find("#trial").await?;
    ensure!(execute(&old).await?.code() == "replaced_key");
    window.script("location.reload()").await?;
    window.shows("[role=dialog]", "Your key works").await?;
    output("wmctrl", &["-c", "ATTHENE Settings"]).await?;
    window.shows("[role=alertdialog]", "Close without the key?").await?;
    window.press("Keep it open").await?;
    window.gone("[role=alertdialog]").await?;
    let menu = "const asked = new MouseEvent('contextmenu', { bubbles: true, cancelable: true });
                document.body.dispatchEvent(asked); return asked.defaultPrevented";
    ensure!(window.script(menu).await? == true, "the browser's own menu opens");
    window.copy_and_close().await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn d2_a_key_that_was_copied_over_is_not_let_go_of() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    ask_for_key(&window, "Held").await?;
    window.copy_key().await?;
    // Another program copies something.
    let copied = "printf elsewhere | xclip -in -selection clipboard";
    tokio::process::Command::new("sh").args(["-c", copied]).status().await?;
    window.click("#new-key-done").await?;
    window.shows("[role=alertdialog]", "Something else was copied over the key").await?;
    window.press("Keep it open").await?;
    window.gone("[role=alertdialog]").await?;
    window.shows("#copy-status", "The clipboard holds something else now").await?;
    window.copy_and_close().await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn d3_d4_what_is_copied_by_hand_is_copied_as_by_the_button_and_lies_on_no_other_clipboard() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    ask_for_key(&window, "By hand").await?;
    let key = window.revealed_key().await?;
    // Shown, and clicked on as one does to select a word.
    window.click("#new-key-eye").await?;
    window.click("#new-key-text span").await?;
    window.click("#new-key-text span").await?;
    window.script("getSelection().removeAllRanges()").await?;
    window.keys("\u{e009}c\u{e000}").await?;
    window.shows("#copy-status", "Cleared from the clipboard in").await?;
    ensure!(clipboard().await == key, "the clipboard holds something else than the key");
    let primary = output("xclip", &["-out", "-selection", "primary"]).await.unwrap_or_default();
    ensure!(!primary.contains(&key), "a middle click pastes the key");
    window.click("#new-key-done").await?;
    window.gone("#new-key-text").await?;
    window.close().await?;
    ensure!(!clipboard().await.contains(&key), "the key outlived the app on the clipboard");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn size_page_and_filters_are_found_again() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    // With its frame it has to find room on the display of 1280 by 800: a window manager cuts what is larger.
    window.resize(1200, 750).await?;
    until("the window to be larger", || async {
        Ok((window.script("return innerWidth").await? == 1200).then_some(()))
    })
    .await?;
    window.press("Activity").await?;
    window.fill("#activity-search", "grace").await?;
    until("the view to be kept", || async {
        let kept = std::fs::read_to_string(machine.data_dir().join("view.json")).unwrap_or_default();
        Ok(kept.contains("grace").then_some(()))
    })
    .await?;
    let size = "return [innerWidth, innerHeight]";
    let left = window.script(size).await?;
    window.close().await?;
    let window = Window::open(&machine).await?;
    let search = window.find("#activity-search").await?.prop("value").await?;
    ensure!(search.as_deref() == Some("grace"), "{search:?}");
    until("the size to be as it was left", || async {
        let found = window.script(size).await?;
        ensure!(found == left, "{found} after {left}");
        Ok(Some(()))
    })
    .await?;
    window.close().await?;
    // Nobody is left who would hold the display.
    if atthene_e2e::app_is_running()? { end_app().await } else { Ok(()) }
}
