//! The life of an API key, through the real window and with curl as the application.

use anyhow::{Result, ensure};
use atthene_e2e::{Machine, Window, execute, output, until};

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_key_opens_and_closes_the_agent_api() -> Result<()> {
    let mut machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.shows("main", "No API key yet").await?;
    window.find("[data-gateway=listening]").await?;

    // Create, and copy with one click.
    let first = window.create_key("First").await?;
    window.shows("#trial[data-status=\"200\"]", "The gateway works").await?;
    window.shows("#first-call", "Waiting for the first call").await?;
    window.click("#copy-key").await?;
    window.shows("#copy-status", "Cleared from the clipboard in").await?;
    let clipboard = output("xclip", &["-out", "-selection", "clipboard"]).await?;
    ensure!(clipboard == first, "the clipboard holds something else than the key");

    // It works, and the window names the program.
    let answer = execute(&first).await?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(answer.body["key"]["name"] == "First", "{answer:?}");
    window.shows("#first-call [data-first-call=moved], [data-first-call=moved]", "curl").await?;
    window.picture("new-key").await?;
    window.click("#new-key-done").await?;
    window.gone("#new-key-text").await?;
    window.shows("[data-key]", "by curl").await?;

    // Another key ends it at once, and the dialog says so beforehand.
    window.click("#replace-key").await?;
    window.shows("[role=dialog]", "“First” stops working when you take the new key").await?;
    window.shows("[role=dialog] li", "curl").await?;
    window.picture("create").await?;
    window.press("Cancel").await?;
    window.gone("[role=dialog]").await?;
    let second = window.create_key("Second").await?;
    ensure!(execute(&first).await?.code() == "replaced_key");
    ensure!(execute(&second).await?.status == 200);
    window.copy_and_close().await?;
    window.shows("[data-refusal=replaced_key]", "curl").await?;

    // Revoking ends it at once; the safe choice has the focus.
    window.press("Revoke Second").await?;
    window.shows("[role=alertdialog]", "Revoke “Second”?").await?;
    let focused = window.script("return document.activeElement.id").await?;
    ensure!(focused == "revoke-keep", "the focus is on {focused}");
    window.picture("revoke").await?;
    window.click("#revoke-confirm").await?;
    window.gone("[role=alertdialog]").await?;
    // The gateway is another process and looks at the rows twenty times a second.
    until("the gateway to hear of it", || async {
        let answer = execute(&second).await?;
        Ok((answer.code() == "revoked_key").then_some(()))
    })
    .await?;
    window.shows("main", "No key is live").await?;

    // A key that is still live when its time comes.
    let third = window.create_key("Third").await?;
    window.copy_and_close().await?;
    ensure!(execute(&third).await?.status == 200);
    window.close().await?;
    machine.shift_clock("+91d");
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    let answer = until("the gateway to answer", || async {
        let answer = execute(&third).await?;
        Ok((answer.status != 0).then_some(answer))
    })
    .await?;
    ensure!(answer.code() == "expired_key", "{answer:?}");
    window.unfold("#ended-keys").await?;
    window.shows("[data-state=expired]", "Third").await?;
    window.close().await?;

    // Set back and started again, an ended key stays ended.
    machine.shift_clock("+0d");
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    for (key, code) in [(&first, "replaced_key"), (&second, "revoked_key"), (&third, "expired_key")] {
        let answer = execute(key).await?;
        ensure!(answer.code() == code, "{answer:?}");
    }
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_key_that_was_not_copied_is_not_lost_by_accident() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.create_key("Held").await?;
    window.keys("\u{e00c}").await?;
    window.shows("[role=alertdialog]", "Close without the key?").await?;
    window.press("Keep it open").await?;
    window.gone("[role=alertdialog]").await?;

    // The window manager's close is held too.
    output("wmctrl", &["-c", "ATTHENE Settings"]).await?;
    window.shows("[role=alertdialog]", "Close without the key?").await?;
    window.press("Keep it open").await?;
    window.gone("[role=alertdialog]").await?;
    window.copy_and_close().await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn s17_a_new_key_goes_into_the_env_file_that_a_person_chose_and_git_ignores() -> Result<()> {
    let machine = Machine::new()?;
    let project = machine.home().join("project");
    std::fs::create_dir_all(&project)?;
    output("git", &["init", "--quiet", &project.display().to_string()]).await?;
    let window = Window::open(&machine).await?;
    let key = window.create_key("In a file").await?;
    // Whatever runs in the page: a path that it names is not one that a person chose.
    let elsewhere = machine.home().join("elsewhere");
    let id = window.script("return document.querySelector('#new-key-text span').textContent.slice(4, 14)").await?;
    let named = format!("{{ id: {id}, path: {:?} }}", elsewhere.display().to_string());
    window.script(&format!("window.__TAURI_INTERNALS__.invoke('write_new_key', {named})")).await?;
    window.choose_file("Save as", &project.join(".env")).await?;
    until("the file", || async { Ok(project.join(".env").exists().then_some(())) }).await?;
    ensure!(!elsewhere.exists(), "the page chose where the key goes");
    std::fs::remove_file(project.join(".env"))?;
    std::fs::remove_file(project.join(".gitignore"))?;
    window.click("#env-write").await?;
    window.choose_file("Save as", &project.join(".env")).await?;
    window.shows("[role=dialog]", "so that git leaves it out").await?;
    ensure!(std::fs::read_to_string(project.join(".env"))? == format!("ATTHENE_API_KEY={key}\n"));
    ensure!(std::fs::read_to_string(project.join(".gitignore"))? == "/.env\n");
    let mode = output("stat", &["-c", "%a", &project.join(".env").display().to_string()]).await?;
    ensure!(mode.trim() == "600", "{mode}");
    window.click("#new-key-done").await?;
    window.gone("#new-key-text").await?;
    window.close().await
}
