//! The pages of a profile that many hosts share, in light and dark, at the usual and at the smallest size.

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Keychain, Machine, Window, check, execute_with, until};
use atthene_test_support::databases;

/// What the other host's gateway listens on.
const ELSEWHERE: &str = "8801";

/// Hosts as they are in a large company: most of them serve, some were switched off, some never served.
fn add_hosts(database: &str) -> Result<()> {
    let sql = "
        INSERT INTO hosts (id, name, version, address, started_at, seen_at)
          SELECT 'host' || i, 'agents-' || i || '.eu-central.contoso.example',
                 CASE WHEN i % 20 > 0 THEN '1.0.0' END, CASE WHEN i % 20 > 0 THEN '10.0.0.' || i || ':8765' END,
                 1790000000000, CASE WHEN i % 20 > 0 THEN now() + interval '1 day' * (CASE WHEN i % 7 > 0 THEN 1 ELSE -1 END) END
          FROM generate_series(1, 199) AS i;
        INSERT INTO usage_hours (hour, key_id, caller_id, outcome, host, requests, bytes_in, bytes_out, last_at)
          SELECT hour, key_id, caller_id, outcome, 'host' || i, requests * i * 97, bytes_in, bytes_out, last_at
          FROM usage_hours, generate_series(1, 199) AS i WHERE i % 20 > 0";
    databases::asked(database, async |client| client.batch_execute(sql).await)?;
    Ok(())
}

async fn rows(window: &Window, rows: &str, count: u32) -> Result<()> {
    let are_there = format!("return document.querySelectorAll(`{rows}`).length === {count}");
    until("all hosts to be listed", || async { Ok((window.script(&are_there).await? == true).then_some(())) }).await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn every_page_of_a_shared_profile_fits_and_reads_well_in_light_and_dark() -> Result<()> {
    for (scheme, theme) in [("light", "Adwaita"), ("dark", "Adwaita:dark")] {
        let database = databases::empty();
        let (server, mut desk) = (Machine::server()?, Machine::new()?);
        desk.set("GTK_THEME", theme);
        let keychain = Keychain::unlocked(&desk).await?;
        server.done(&["config", "set", "vault", "file"]).await?;
        server.done(&["fleet", "init", &database]).await?;
        let (serving, _) = server.serve(&["--port", ELSEWHERE]).await?;
        let key =
            server.done(&["key", "create", "--name", "All hosts", "--expires", "30d"]).await?.out.trim().to_owned();
        for text in [&*key, &*key, "no key"] {
            execute_with(&format!("http://127.0.0.1:{ELSEWHERE}"), text).await?;
        }
        let invite = server.home().join("desk.age");
        let invite = invite.to_str().context("a path")?;
        let invited = server.done(&["--json", "fleet", "invite", invite]).await?.json()?;
        let passphrase = invited["passphrase"].as_str().context("a passphrase")?;
        let joined = desk.run_with(&["fleet", "join", invite], passphrase).await?;
        ensure!(joined.code == 0, "{joined:?}");

        let window = Window::open(&desk).await?;
        window.find("[data-gateway=elsewhere]").await?;
        window.press("API Keys").await?;
        window.shows("main", "This machine runs no gateway").await?;
        check(&window, &format!("{scheme}-shared-keys")).await?;
        window.click("#tab-usage").await?;
        window.find("table[aria-label='By host'] tbody tr").await?;
        check(&window, &format!("{scheme}-shared-usage")).await?;
        window.press("Preferences").await?;
        window.click("#tab-data").await?;
        window.find("[data-there=true]").await?;
        check(&window, &format!("{scheme}-shared-data")).await?;
        window.click("#leave-shared").await?;
        window.find("#switch-confirm").await?;
        check(&window, &format!("{scheme}-shared-leave")).await?;
        window.press("Cancel").await?;
        window.gone("[role=alertdialog]").await?;

        add_hosts(&database)?;
        window.click("#all-hosts").await?;
        rows(&window, "[data-host]", 201).await?;
        check(&window, &format!("{scheme}-shared-data-200")).await?;
        window.press("API Keys").await?;
        window.click("#tab-usage").await?;
        rows(&window, "table[aria-label='By host'] tbody tr", 51).await?;
        window.script("document.querySelector('table[aria-label=\"By host\"]').scrollIntoView()").await?;
        check(&window, &format!("{scheme}-shared-usage-200")).await?;
        databases::asked(&database, async |client| {
            client.batch_execute("DELETE FROM hosts WHERE id LIKE 'host%'").await
        })?;

        // Nobody serves.
        drop(serving);
        window.shows("[data-banner]", "No gateway serves this profile").await?;
        check(&window, &format!("{scheme}-shared-nobody")).await?;
        window.close().await?;
        keychain.stop().await?;
    }
    Ok(())
}
