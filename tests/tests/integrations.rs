//! Integrations in the real window, with a real keychain and a Microsoft that nobody here wrote.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Emulate, Keychain, Machine, Window, until};
use serde_json::Value;

const WRONG: &str = "planted~wrong.secret";
const REPLACED: &str = "planted~replaced.secret";

struct Form<'a> {
    name: &'a str,
    client_id: &'a str,
    secret: &'a str,
}

async fn fill(window: &Window, form: &Form<'_>) -> Result<()> {
    window.click("#add-integration").await?;
    window.click("#pick-microsoft").await?;
    window.fill("#integration-name", form.name).await?;
    window.fill("#client-id", form.client_id).await?;
    window.choose("#cloud", "Another authority").await?;
    window.fill("#issuer", Emulate::ISSUER).await?;
    window.fill("#graph", Emulate::GRAPH).await?;
    window.fill("#client-secret", form.secret).await?;
    window.press("Outlook read").await
}

/// The card of that name, and the health that it shows.
async fn health(window: &Window, name: &str) -> Result<String> {
    let script = format!(
        "const named = [...document.querySelectorAll('[data-integration]')].find((it) => it.querySelector('bdi').textContent === '{name}');
         return named ? named.dataset.health : ''"
    );
    Ok(window.script(&script).await?.as_str().unwrap_or_default().to_owned())
}

async fn shows_health(window: &Window, name: &str, wanted: &str) -> Result<()> {
    until(&format!("{name} to be {wanted}"), || async {
        let shown = health(window, name).await?;
        ensure!(shown == wanted, "it is {shown:?}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn an_app_is_checked_saved_made_default_edited_and_deleted() -> Result<()> {
    let machine = Machine::new()?;
    let keychain = Keychain::unlocked(&machine).await?;
    let microsoft = Emulate::start(&machine).await?;
    let window = Window::open(&machine).await?;
    window.press("Integrations").await?;
    window.find("[data-integration=built-in][data-health=not_set_up]").await?;

    // Pasted with what comes along, and with a wrong secret.
    let pasted = format!(" \u{200b}\"{}\" ", Emulate::CLIENT_ID);
    fill(&window, &Form { name: "Contoso", client_id: &pasted, secret: WRONG }).await?;
    window.shows("#platform", "Web").await?;
    let uri = window.shows("#redirect-uri", "http://localhost/oauth/microsoft-").await?;
    window.click("#run-preflight").await?;
    window.find("[data-step=authority][data-state=passed]").await?;
    window.shows("[data-step=secret][data-state=failed]", "does not accept the client ID or its secret").await?;
    window.shows("[data-step=secret]", "The client_secret is incorrect.").await?;
    window.picture("preflight-red").await?;

    // With the right one it is green, and saved as checked.
    window.fill("#client-secret", Emulate::CLIENT_SECRET).await?;
    window.click("#run-preflight").await?;
    window.find("[data-step=client_id][data-state=passed]").await?;
    window.find("[data-step=secret][data-state=passed]").await?;
    window.picture("preflight-green").await?;
    window.click("#save-integration").await?;
    shows_health(&window, "Contoso", "passed").await?;
    let id = uri.trim_start_matches("http://localhost/oauth/").trim_end_matches("/callback").to_owned();
    let entry = format!("Client secret of {id}");
    ensure!(keychain.holds(&entry).await?.contains(Emulate::CLIENT_SECRET), "the secret is not in the keychain");

    // An unknown client is refused; it can be saved all the same.
    let unknown = "99999999-8888-7777-6666-555555555555";
    fill(&window, &Form { name: "Fabrikam", client_id: unknown, secret: Emulate::CLIENT_SECRET }).await?;
    window.click("#save-integration").await?;
    window.shows("[role=alertdialog]", "does not accept the client ID").await?;
    window.click("#save-anyway").await?;
    shows_health(&window, "Fabrikam", "check_failed").await?;

    // The default moves.
    let default_of = || async {
        window.script("return [...document.querySelectorAll('[data-integration]')].filter((it) => it.textContent.includes('Default')).map((it) => it.querySelector('bdi').textContent)").await
    };
    // Contoso was the first, so it is the default already.
    for name in ["Fabrikam", "Contoso"] {
        window.open_row(name).await?;
        window.press("Set as default").await?;
        until(&format!("{name} to be the default"), || async {
            Ok((default_of().await? == serde_json::json!([name])).then_some(()))
        })
        .await?;
    }

    // Edited, the new secret takes the place of the old one.
    window.open_row("Contoso").await?;
    window.press("Edit Contoso").await?;
    window.click("#replace-secret").await?;
    window.fill("#client-secret", REPLACED).await?;
    window.click("#save-integration").await?;
    window.click("#save-anyway").await?;
    shows_health(&window, "Contoso", "check_failed").await?;
    let held = keychain.holds(&entry).await?;
    ensure!(held.contains(REPLACED) && !held.contains(Emulate::CLIENT_SECRET), "the keychain holds the old secret");

    // The secrets are in the keychain and nowhere else.
    for planted in [WRONG, Emulate::CLIENT_SECRET, REPLACED] {
        if let Some(file) = machine.any_file_holds(planted)? {
            anyhow::bail!("a secret lies in {}", file.display());
        }
        ensure!(!Machine::processes_show(planted)?, "a secret stands in a process listing");
        for (command, arguments) in [
            ("list_integrations", "{}".to_owned()),
            ("integration_draft", format!("{{ id: '{id}' }}")),
            ("get_settings", "{}".to_owned()),
        ] {
            let answer: Value = window.invoke(command, &arguments).await?;
            ensure!(answer.is_object() || answer.is_array(), "{command} gave {answer}");
            ensure!(!answer.to_string().contains(planted), "{command} gives a secret away");
        }
    }

    // Restarted, it is all there; deleted, all of it is gone.
    window.close().await?;
    let window = Window::open(&machine).await?;
    window.press("Integrations").await?;
    shows_health(&window, "Contoso", "check_failed").await?;
    window.open_row("Contoso").await?;
    window.press("Delete Contoso").await?;
    window.click("#delete-confirm").await?;
    until("the card to go", || async { Ok(health(&window, "Contoso").await?.is_empty().then_some(())) }).await?;
    until("the keychain entry to go", || async {
        Ok((!keychain.holds(&entry).await?.contains(REPLACED)).then_some(()))
    })
    .await?;
    window.close().await?;

    let database = rusqlite::Connection::open(machine.data_dir().join("atthene.db"))?;
    let kinds: Vec<String> = database
        .prepare("SELECT kind FROM activity ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for kind in ["preflight", "integration_added", "default_changed", "integration_changed", "integration_removed"] {
        ensure!(kinds.iter().any(|known| known == kind), "{kind} was not recorded: {kinds:?}");
    }
    microsoft.stop().await?;
    keychain.stop().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn without_a_keychain_the_error_names_it_and_what_was_typed_stays() -> Result<()> {
    let mut machine = Machine::new()?;
    // A session bus that nobody answers on: there is no keychain to reach.
    machine.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let window = Window::open(&machine).await?;
    window.press("Integrations").await?;
    fill(&window, &Form { name: "Contoso", client_id: Emulate::CLIENT_ID, secret: WRONG }).await?;
    window.fill("#issuer", "http://localhost:9").await?;
    window.click("#save-integration").await?;
    window.shows("[role=alertdialog]", "no connection to localhost").await?;
    window.click("#save-anyway").await?;
    window.shows("form [role=alert]", "has no keychain that the app can reach").await?;
    window.shows("form [role=alert]", "API keys work without either").await?;
    let typed = window.find("#integration-name").await?.prop("value").await?;
    ensure!(typed.as_deref() == Some("Contoso"), "{typed:?}");
    // Without a secret it is saved.
    window.fill("#client-secret", "").await?;
    window.click("#save-integration").await?;
    window.click("#save-anyway").await?;
    shows_health(&window, "Contoso", "unchecked").await.context("a public client needs no keychain")?;
    window.close().await
}
