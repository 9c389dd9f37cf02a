//! Other accounts of the machine, and other programs of the desktop: what they see and what they can take.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Emulate, Machine, call, execute_with, until};
use tokio::process::Command;

/// Runs a shell line as an account that is nobody here.
async fn as_nobody(line: &str) -> Result<String> {
    let done = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", line])
        .output()
        .await
        .context("setpriv")?;
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(!said.contains("setpriv:"), "nobody could be played: {said}");
    Ok(said)
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn s13_another_account_reads_nothing_of_a_profile() -> Result<()> {
    let machine = Machine::new()?;
    // A home that others may enter, as many distributions make it.
    std::fs::set_permissions(machine.home(), std::fs::Permissions::from_mode(0o755))?;
    let data = machine.data_dir();
    std::fs::create_dir_all(&data)?;
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755))?;
    machine.done(&["key", "create", "--name", "First", "--expires", "30d"]).await?;
    for entry in std::fs::read_dir(&data)?.flatten().filter(|entry| entry.path().is_file()) {
        let said = as_nobody(&format!("cat '{}'", entry.path().display())).await?;
        ensure!(said.contains("Permission denied"), "{} can be read: {said:.60}", entry.path().display());
    }
    let doctor = machine.run(&["--json", "doctor"]).await?;
    let folder = doctor.json()?.as_array().context("findings")?.iter().find(|it| it["id"] == "folder").cloned();
    ensure!(
        folder.as_ref().is_some_and(|it| it["state"] == "warning"),
        "nobody is told that others may enter: {folder:?}"
    );
    Ok(())
}

/// Another account's program on the gateway's port, that says what the gateway says of itself.
const STRANGER: &str = r#"
import http.server, sys
class Stranger(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("x-atthene-folder", sys.argv[1])
        self.send_header("x-atthene-proof", "00" * 32)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 8765), Stranger).serve_forever()
"#;

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn s4_another_accounts_program_on_the_port_is_told_from_the_gateway() -> Result<()> {
    let machine = Machine::new()?;
    let key = machine.done(&["key", "create", "--name", "First", "--expires", "30d"]).await?.out.trim().to_owned();
    let (mut serving, _) = machine.serve(&[]).await?;
    ensure!(execute_with("http://127.0.0.1:8765", &key).await?.status == 200);
    let status = machine.done(&["--json", "status"]).await?.json()?;
    ensure!(status["gateway"]["listening"] == true, "{status}");
    let head =
        atthene_e2e::output("curl", &["--silent", "--head", "--request", "GET", "http://127.0.0.1:8765/healthz"])
            .await?;
    let folder =
        head.lines().find_map(|line| line.strip_prefix("x-atthene-folder: ")).context("a folder")?.trim().to_owned();
    serving.kill().await?;

    let mut stranger = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", STRANGER, &folder])
        .kill_on_drop(true)
        .spawn()?;
    until("the stranger to listen", || async {
        let said = atthene_e2e::output("curl", &["--silent", "http://127.0.0.1:8765/healthz"]).await?;
        Ok((said == "ok").then_some(()))
    })
    .await?;
    let status = machine.done(&["--json", "status"]).await?.json()?;
    ensure!(status["gateway"]["listening"] == false, "it passes for ours: {status}");
    let told = status["attention"][0].to_string();
    ensure!(told.contains("urgent") && told.contains("replace the key"), "{told}");
    let doctor = machine.run(&["doctor"]).await?;
    ensure!(doctor.code == 1 && doctor.out.contains("replace the key"), "{doctor:?}");
    stranger.kill().await?;
    Ok(())
}

/// A desktop's portal: keeps what it is asked to open.
struct Portal(tokio::sync::mpsc::UnboundedSender<String>);

#[zbus::interface(name = "org.freedesktop.portal.OpenURI")]
impl Portal {
    #[zbus(name = "OpenURI")]
    fn open_uri(
        &self,
        window: &str,
        uri: &str,
        options: std::collections::HashMap<String, zbus::zvariant::OwnedValue>,
    ) -> zbus::fdo::Result<zbus::zvariant::OwnedObjectPath> {
        let _ = (window, options, self.0.send(uri.to_owned()));
        zbus::zvariant::ObjectPath::try_from("/org/freedesktop/portal/desktop/request/1")
            .map(Into::into)
            .map_err(|error| zbus::fdo::Error::Failed(error.to_string()))
    }
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn s11_the_page_to_sign_in_on_goes_through_the_portal_and_stands_in_no_command_line() -> Result<()> {
    let mut machine = Machine::new()?;
    let microsoft = Emulate::for_anybody(&machine).await?;
    machine.set_passphrase()?;
    machine.done(&["config", "set", "vault", "file"]).await?;
    let id = machine.add_integration(Emulate::ISSUER, Emulate::GRAPH, None).await?;
    let (asked, mut opened) = tokio::sync::mpsc::unbounded_channel();
    let portal = zbus::connection::Builder::session()?
        .name("org.freedesktop.portal.Desktop")?
        .serve_at("/org/freedesktop/portal/desktop", Portal(asked))?
        .build()
        .await?;
    let mut adding = machine
        .atthene(&["connection", "add", "outlook", "--integration", &id, "--account", "ada@contoso.example"])?
        .spawn()?;
    let asked = tokio::time::timeout(std::time::Duration::from_secs(30), opened.recv()).await;
    let page = asked.context("the portal was not asked")?.context("the portal ended")?;
    ensure!(page.contains("state=") && page.contains("code_challenge="), "{page}");
    let everybody = as_nobody("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").await?;
    ensure!(everybody.contains("connection add outlook"), "the command lines of others can't be read here at all");
    ensure!(!everybody.contains("code_challenge="), "another account reads the page's address");

    // An account that is not the one that was named is not connected.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/shell_browser.py");
    atthene_e2e::output("python3", &[script, &page, "grace@contoso.example"]).await?;
    let ended = adding.wait().await?;
    ensure!(!ended.success(), "another account was taken");
    ensure!(machine.done(&["--json", "connection", "list"]).await?.json()? == serde_json::json!([]));
    drop(portal);
    microsoft.stop().await
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn s1_and_a_removed_connections_access_end_in_the_running_gateway_at_once() -> Result<()> {
    let mut machine = Machine::new()?;
    let microsoft = Emulate::for_anybody(&machine).await?;
    machine.set_passphrase()?;
    machine.done(&["config", "set", "vault", "file"]).await?;
    let integration = machine.add_integration(Emulate::ISSUER, Emulate::GRAPH, None).await?;
    let key = machine.done(&["key", "create", "--name", "First", "--expires", "30d"]).await?.out.trim().to_owned();
    let (mut serving, _) = machine.serve(&[]).await?;
    for how in ["edit", "remove"] {
        let id =
            machine.connect(&integration, "ada@contoso.example").await?["id"].as_str().context("an id")?.to_owned();
        machine.permit_everything(&id).await?;
        let token = format!("/api/amas/connections/{id}/token");
        ensure!(call("POST", &token, &key).await?.status == 200);
        let code = if how == "edit" {
            let other = "66666666-2222-3333-4444-555555555555";
            machine.done(&["integration", "edit", &integration, "--client-id", other]).await?;
            "needs_sign_in"
        } else {
            machine.done(&["connection", "remove", &id]).await?;
            "connection_not_found"
        };
        // What the command has done holds when it ends; another process has heard of it within 100 ms.
        until(how, || async { Ok((call("POST", &token, &key).await?.code() == code).then_some(())) }).await?;
        if how == "edit" {
            machine.done(&["integration", "edit", &integration, "--client-id", Emulate::CLIENT_ID]).await?;
        }
    }
    serving.kill().await?;
    microsoft.stop().await
}
