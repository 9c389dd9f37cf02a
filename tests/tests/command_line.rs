//! The product from a shell: on a machine without a display, and beside the window.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Emulate, Machine, OpenIdProvider, Window, execute, execute_with, output, until};

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn the_whole_life_of_a_key_from_the_shell() -> Result<()> {
    let mut machine = Machine::new()?;
    machine.done(&["config", "set", "gateway_port", "8777"]).await?;
    // Where a service manager listens.
    let manager = machine.home().join("notify");
    let notices = tokio::net::UnixDatagram::bind(&manager)?;
    machine.set("NOTIFY_SOCKET", &manager.display().to_string());
    let (mut serving, url) = machine.serve(&["--metrics-port", "8779"]).await?;
    told(&notices, "READY=1").await?;
    machine.set("NOTIFY_SOCKET", "/nowhere");
    ensure!(url == "http://127.0.0.1:8777", "{url}");
    let second = machine.run(&["serve"]).await?;
    ensure!(second.code == 1 && second.err.contains("Port 8777 is taken by atthene"), "{second:?}");

    let first = machine.done(&["key", "create", "--name", "CI", "--expires", "30d"]).await?.out.trim().to_owned();
    ensure!(execute_with(&url, &first).await?.status == 200);
    let created = machine.done(&["--json", "key", "create", "--name", "Next", "--expires", "never"]).await?.json()?;
    let next = created["key"].as_str().context("a key")?.to_owned();
    let refused = execute_with(&url, &first).await?;
    ensure!(refused.code() == "replaced_key", "{refused:?}");
    ensure!(execute_with(&url, &next).await?.status == 200);
    let request_id = refused.body["request_id"].as_str().context("an id")?.to_owned();
    let explained = until("the explanation", || async {
        let printed = machine.run(&["explain", &request_id]).await?;
        Ok((printed.code == 0).then_some(printed))
    })
    .await?;
    ensure!(explained.out.contains("\"CI\" was replaced on"), "{explained:?}");
    steady("explain", &explained.shown(""));
    steady("explain_json", &machine.done(&["--json", "explain", &request_id]).await?.shown(&request_id));

    machine.done(&["stop"]).await?;
    until("it to refuse", || async { Ok((execute_with(&url, &next).await?.code() == "stopped").then_some(())) })
        .await?;
    machine.done(&["resume"]).await?;
    until("it to go on", || async { Ok((execute_with(&url, &next).await?.status == 200).then_some(())) }).await?;

    let usage = until("the counters", || async {
        let usage = machine.done(&["--json", "key", "usage"]).await?.json()?;
        Ok((usage["total"]["answered"].as_u64() >= Some(3)).then_some(usage))
    })
    .await?;
    ensure!(usage["programs"][0]["caller"]["program"] == "curl", "{usage}");
    // Steps are moments on top, and counts of calls for each program.
    ensure!(usage["steps"].as_array().is_some_and(|all| all.iter().all(serde_json::Value::is_string)), "{usage}");
    let steps = &usage["programs"][0]["steps"];
    ensure!(
        steps.as_array().is_some_and(|all| all.iter().filter_map(serde_json::Value::as_u64).sum::<u64>() >= 3),
        "{usage}"
    );

    let metrics = output("curl", &["--silent", "http://127.0.0.1:8779/metrics"]).await?;
    ensure!(metrics.contains("atthene_live_key 1"), "{metrics}");
    ensure!(metrics.contains("atthene_calls_total{outcome=\"replaced_key\"} 1"), "{metrics}");
    let page = output("curl", &["--silent", "--header", "Host: evil.example", "http://127.0.0.1:8779/metrics"]).await?;
    ensure!(page.contains("forbidden_host"), "{page}");

    machine.done(&["key", "revoke", "--yes", "--reason", "unused"]).await?;
    // When the command ends, it holds in the gateway of the other process.
    ensure!(execute_with(&url, &next).await?.code() == "revoked_key");
    ensure!(machine.any_file_holds(&next[15..])?.is_none(), "the key's text lies in a file");

    // A signal to read again, then one to end; what is open may end.
    let pid = serving.id().context("it runs")?.to_string();
    output("kill", &["-HUP", &pid]).await?;
    told(&notices, "RELOADING=1").await?;
    told(&notices, "READY=1").await?;
    ensure!(execute_with(&url, &next).await?.code() == "revoked_key");
    output("kill", &["-TERM", &pid]).await?;
    told(&notices, "STOPPING=1").await?;
    ensure!(serving.wait().await?.success(), "it did not end well");
    machine.done(&["activity", "--verify"]).await?;
    Ok(())
}

/// Holds what a command printed against its snapshot.
fn steady(name: &str, shown: &str) {
    let replaced = [
        (r"(outlook|microsoft)-[a-z0-9]{6,8}\b", "$1-[ID]"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[0-9.]+Z)?", "[TIME]"),
        (r"\b1[78]\d{11}\b", "[MS]"),
        (r#""key_id": "[0-9A-Za-z]{10}""#, r#""key_id": "[ID]""#),
        (r"curl/[0-9.]+", "curl/[VERSION]"),
    ];
    insta::with_settings!({ filters => replaced.to_vec() }, { insta::assert_snapshot!(name, shown) });
}

/// Waits until the service manager is told this.
async fn told(notices: &tokio::net::UnixDatagram, what: &str) -> Result<()> {
    let mut buffer = [0; 256];
    let read = tokio::time::timeout(std::time::Duration::from_secs(10), notices.recv(&mut buffer)).await;
    let length = read.with_context(|| format!("waited for {what}"))??;
    let text = String::from_utf8_lossy(&buffer[..length]);
    ensure!(text.contains(what), "told {text:?} instead of {what}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn a_connection_from_the_shell_alone_on_a_machine_without_a_keychain() -> Result<()> {
    let machine = Machine::server()?;
    let doctor = machine.run(&["--json", "doctor"]).await?;
    ensure!(doctor.code == 0, "nothing needs a keychain yet: {doctor:?}");
    let keychain = doctor.json()?.as_array().context("findings")?.iter().find(|it| it["id"] == "keychain").cloned();
    ensure!(keychain.is_some_and(|it| it["state"] == "warning" && it["remedy"].to_string().contains("vault file")));
    let passphrase = machine.home().join("passphrase");
    let allow = |mode| std::fs::set_permissions(&passphrase, std::os::unix::fs::PermissionsExt::from_mode(mode));
    allow(0o644)?;
    let refused = machine.run(&["config", "set", "vault", "file"]).await?;
    ensure!(refused.code == 4 && refused.err.contains("other accounts may read it"), "{refused:?}");
    allow(0o600)?;
    machine.done(&["config", "set", "vault", "file"]).await?;

    let emulate = Emulate::start(&machine).await?;
    let id = machine.add_integration(Emulate::ISSUER, Emulate::GRAPH, Some(Emulate::CLIENT_SECRET)).await?;
    let checked = machine.done(&["integration", "check", &id]).await?;
    steady("integration_check", &checked.shown(Emulate::CLIENT_SECRET));
    let checked = machine.done(&["--json", "integration", "check", &id]).await?;
    steady("integration_check_json", &checked.shown(Emulate::CLIENT_SECRET));
    ensure!(machine.any_file_holds(Emulate::CLIENT_SECRET)?.is_none(), "the secret lies open in a file");
    emulate.stop().await?;

    let emulate = Emulate::for_anybody(&machine).await?;
    machine.done(&["integration", "edit", &id, "--remove-secret"]).await?;
    let connection = machine.connect(&id, "ada@contoso.example").await?;
    ensure!(connection["account"] == "ada@contoso.example", "{connection}");
    let name = connection["id"].as_str().context("an id")?;
    // emulate has a Graph with people and without mail.
    let tested = machine.run(&["connection", "test", name]).await?;
    ensure!(tested.code == 1 && tested.out.contains("passed  GET /me: Ada Lovelace"), "{tested:?}");
    steady("connection_test", &tested.shown(""));
    steady("connection_test_json", &machine.run(&["--json", "connection", "test", name]).await?.shown(""));
    // Whether serde_json keeps an order of its own goes by what else is built with it.
    let sorted: BTreeMap<_, _> = connection.as_object().context("an object")?.iter().collect();
    steady("connection_add_json", &serde_json::to_string_pretty(&sorted)?);
    steady("connection_list", &machine.done(&["connection", "list"]).await?.shown(""));
    steady("connection_list_json", &machine.done(&["--json", "connection", "list"]).await?.shown(""));
    let refused = machine.run(&["connection", "token", name]).await?;
    ensure!(refused.code == 1 && refused.err.contains("connection permit"), "{refused:?}");
    steady("connection_permit", &machine.done(&["connection", "permit", name, "--token", "allow"]).await?.shown(""));
    steady("connection_permit_json", &machine.done(&["--json", "connection", "permit", name]).await?.shown(""));
    let printed = machine.done(&["connection", "token", name]).await?;
    steady("connection_token", &printed.shown(printed.out.trim()));
    let printed = machine.done(&["--json", "connection", "token", name]).await?;
    let token = printed.json()?;
    let access = token["access_token"].as_str().context("a token")?;
    steady("connection_token_json", &printed.shown(access));
    ensure!(!access.is_empty() && machine.any_file_holds(access)?.is_none(), "the token lies in a file");

    // The gateway hands it out, too, in a process of its own.
    let (mut serving, told) = machine.serve(&["--json", "--port", "8778"]).await?;
    steady("serve_json", &told);
    let url = "http://127.0.0.1:8778";
    let key = machine.done(&["key", "create", "--name", "CI", "--expires", "1d"]).await?.out.trim().to_owned();
    let answer = execute_with(url, &key).await?;
    ensure!(answer.body["connections"][0]["account"] == "ada@contoso.example", "{answer:?}");
    serving.kill().await?;

    steady("connection_remove", &machine.done(&["connection", "remove", name]).await?.shown(""));
    ensure!(machine.run(&["connection", "token", name]).await?.code == 3);
    machine.done(&["integration", "remove", &id]).await?;
    emulate.stop().await
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn a_connection_at_another_provider_from_the_shell_alone() -> Result<()> {
    let machine = Machine::server()?;
    machine.done(&["config", "set", "vault", "file"]).await?;
    let provider = OpenIdProvider::start(&machine).await?;
    let id = machine.add_integration(OpenIdProvider::ISSUER, OpenIdProvider::ISSUER, None).await?;
    let connected = machine.sign_in(&[], &id, "ada").await?;
    steady("connection_add", &connected.shown(""));
    let name = connected.out.trim();
    machine.permit_everything(name).await?;
    // Each is a refresh, and each refresh brings another refresh token.
    for _ in 0..3 {
        machine.done(&["connection", "token", name]).await?;
    }
    let listed = machine.done(&["--json", "connection", "list"]).await?.json()?;
    ensure!(listed[0]["state"] == "connected", "{listed}");
    provider.stop().await?;
    let away = machine.run(&["connection", "token", name]).await?;
    ensure!(away.code == 1 && !away.err.is_empty(), "{away:?}");
    steady("connection_remove_json", &machine.done(&["--json", "connection", "remove", name]).await?.shown(""));
    ensure!(machine.done(&["--json", "connection", "list"]).await?.json()? == serde_json::json!([]));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn the_window_and_the_shell_see_the_same_at_once() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.shows("main", "No API key yet").await?;
    let key = machine.done(&["key", "create", "--name", "From the shell", "--expires", "30d"]).await?.out;
    let key = key.trim();
    window.shows("main", "From the shell").await?;
    ensure!(execute(key).await?.status == 200);
    let status = machine.done(&["--json", "status"]).await?.json()?;
    ensure!(status["gateway"]["listening"] == true, "{status}");

    machine.done(&["key", "revoke", "--yes"]).await?;
    ensure!(execute(key).await?.code() == "revoked_key", "the window's gateway had not heard of it");
    window.shows("main", "No key is live").await?;

    window.create_key("From the window").await?;
    window.copy_and_close().await?;
    let listed = machine.done(&["--json", "key", "list"]).await?.json()?;
    ensure!(listed[0]["name"] == "From the window", "{listed}");
    window.press("Activity").await?;
    window.shows("[data-kind=key_revoked]", "Command line").await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn a_secret_stands_in_no_process_listing() -> Result<()> {
    let machine = Machine::server()?;
    machine.done(&["config", "set", "vault", "file"]).await?;
    let refused = machine.run(&["config", "set", "runtime_credential", "planted"]).await?;
    ensure!(refused.code == 2, "an argument is refused: {refused:?}");
    let added = machine.add_integration(OpenIdProvider::ISSUER, OpenIdProvider::ISSUER, Some("planted-secret")).await;
    ensure!(added.is_ok() && machine.any_file_holds("planted-secret")?.is_none(), "it lies open in a file");
    let mut setting = machine.atthene(&["config", "set", "runtime_credential"])?.spawn()?;
    let pid = setting.id().context("it runs")?;
    // It waits for its input now; nothing of it is known to others. A program that is being loaded
    // has no command line yet.
    let shown = until("the program to be loaded", || async {
        let shown = String::from_utf8(std::fs::read(format!("/proc/{pid}/cmdline"))?)?;
        Ok((!shown.is_empty()).then_some(shown))
    })
    .await?
    .replace('\0', " ");
    ensure!(shown.trim_end().ends_with("config set runtime_credential"), "{shown}");
    let mut stdin = setting.stdin.take().context("no standard input")?;
    tokio::io::AsyncWriteExt::write_all(&mut stdin, b"planted-credential\n").await?;
    drop(stdin);
    ensure!(setting.wait().await?.success());
    ensure!(machine.done(&["config", "get", "runtime_has_credential"]).await?.out.trim() == "true");
    ensure!(machine.any_file_holds("planted-credential")?.is_none(), "it lies open in a file");
    Ok(())
}
