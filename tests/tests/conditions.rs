//! What people meet besides good days: each a sentence with a remedy, in the window,
//! nothing lost.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Keychain, Machine, Window, end_app, execute, execute_with, output, until};

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_taken_port_is_named_and_another_is_one_click_away() -> Result<()> {
    let machine = Machine::new()?;
    let mut holder = machine.command("python3").args(["-m", "http.server", "8765", "--bind", "127.0.0.1"]).spawn()?;
    until("the port to be taken", || async { Ok(TcpListener::bind("127.0.0.1:8765").is_err().then_some(())) }).await?;
    let window = Window::open(&machine).await?;
    window.shows("[data-banner=gateway]", "Port 8765 is taken by python3").await?;
    window.picture("port-taken").await?;
    window.press("Use port 8766 instead").await?;
    window.shows("[data-gateway=listening]", ":8766").await?;
    let key = window.create_key("Elsewhere").await?;
    window.shows("[data-snippet=curl]", "http://127.0.0.1:8766/api/amas").await?;
    ensure!(execute_with("http://127.0.0.1:8766", &key).await?.status == 200);
    window.copy_and_close().await?;
    holder.kill().await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_second_start_raises_the_first_window_and_ends() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    until("the window manager to know the window", || async {
        Ok(output("wmctrl", &["-l"]).await?.contains("ATTHENE Settings").then_some(()))
    })
    .await?;
    output("wmctrl", &["-r", "ATTHENE Settings", "-b", "add,hidden"]).await?;
    let mut second = machine.command(Machine::app()?).spawn()?;
    let ended = until("the second process to end", || {
        let ended = second.try_wait();
        async move { Ok(ended?) }
    })
    .await?;
    ensure!(ended.success(), "{ended}");
    until("the first window to be active", || async {
        let active = output("xprop", &["-root", "_NET_ACTIVE_WINDOW"]).await?;
        let id = active.split_whitespace().last().unwrap_or_default().to_owned();
        let name = output("xprop", &["-id", &id, "WM_NAME"]).await?;
        Ok(name.contains("ATTHENE Settings").then_some(()))
    })
    .await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_database_held_by_another_program_is_said_and_opens_once_it_is_free() -> Result<()> {
    let machine = Machine::new()?;
    std::fs::create_dir_all(machine.data_dir())?;
    let other = rusqlite::Connection::open(machine.data_dir().join("atthene.db"))?;
    other.execute_batch("CREATE TABLE held (x); BEGIN EXCLUSIVE")?;
    let window = Window::open(&machine).await?;
    window.shows("[role=alert]", "locked by another program").await?;
    window.shows("[role=alert]", "Close the program that has the file open").await?;
    window.picture("database-locked").await?;
    other.execute_batch("ROLLBACK")?;
    drop(other);
    window.press("Try again").await?;
    window.shows("main", "No API key yet").await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_database_locked_later_keeps_what_was_typed() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.find("#new-key").await?;
    let other = rusqlite::Connection::open(machine.data_dir().join("atthene.db"))?;
    other.execute_batch("BEGIN EXCLUSIVE")?;
    window.click("#new-key").await?;
    window.fill("#key-name", "Typed with care").await?;
    window.click("[form=create-key]").await?;
    window.shows("[role=dialog] [role=alert]", "locked by another program").await?;
    let typed = window.find("#key-name").await?.prop("value").await?;
    ensure!(typed.as_deref() == Some("Typed with care"), "{typed:?}");
    other.execute_batch("ROLLBACK")?;
    window.click("[form=create-key]").await?;
    window.find("#new-key-text").await?;
    window.copy_and_close().await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_data_folder_that_can_not_be_written_is_named() -> Result<()> {
    let machine = Machine::new()?;
    // A file where the folder should be: no right of any user makes this writable.
    std::fs::write(machine.data_dir(), "in the way")?;
    let window = Window::open(&machine).await?;
    window.shows("[role=alert]", &machine.data_dir().display().to_string()).await?;
    window.shows("[role=alert]", "write access").await?;
    std::fs::remove_file(machine.data_dir())?;
    window.press("Try again").await?;
    window.shows("main", "No API key yet").await?;
    window.close().await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_key_leaves_the_clipboard_by_itself_and_at_quit() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.keys("\u{e009}5\u{e000}").await?;
    window.fill("#clipboard-seconds", "5").await?;
    window.click("#save-clipboard-seconds").await?;
    window.gone("#save-clipboard-seconds").await?;
    window.keys("\u{e009}1\u{e000}").await?;
    let clipboard =
        || async { anyhow::Ok(output("xclip", &["-out", "-selection", "clipboard"]).await.unwrap_or_default()) };

    let first = window.create_key("First").await?;
    window.copy_key().await?;
    ensure!(clipboard().await? == first);
    window.shows("#copy-status", "was cleared").await?;
    until("the clipboard to be empty", || async { Ok(clipboard().await?.is_empty().then_some(())) }).await?;

    // At quit, at once; but never what somebody else put there.
    window.copy_key().await?;
    until("the clipboard to hold the key", || async { Ok((clipboard().await? == first).then_some(())) }).await?;
    window.click("#new-key-done").await?;
    window.gone("#new-key-text").await?;
    window.close().await.context("the window would not close")?;
    ensure!(clipboard().await?.is_empty(), "the key outlived the app on the clipboard");
    Ok(())
}

/// An agent runtime that answers with the credential that it got.
const RUNTIME: &str = r#"
import http.server, json
class Runtime(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps({"got": self.headers["authorization"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", 8799), Runtime).serve_forever()
"#;

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn the_runtime_gets_its_credential_from_the_keychain_and_it_lies_nowhere_else() -> Result<()> {
    const CREDENTIAL: &str = "planted-runtime-credential";
    let machine = Machine::new()?;
    let keychain = Keychain::unlocked(&machine).await?;
    let mut runtime = machine.command("python3").args(["-c", RUNTIME]).spawn()?;

    let window = Window::open(&machine).await?;
    window.press("Preferences").await?;
    window.fill("#runtime-url", "http://127.0.0.1:8799").await?;
    window.fill("#runtime-credential", CREDENTIAL).await?;
    window.click("#save-runtime").await?;
    window.shows("main", "A credential lies in your keychain.").await?;
    window.press("API Keys").await?;
    let key = window.create_key("With a runtime").await?;
    until("the runtime to get its credential", || async {
        let answer = execute(&key).await?;
        ensure!(answer.body["got"] == format!("Bearer {CREDENTIAL}"), "{answer:?}");
        Ok(Some(()))
    })
    .await?;
    window.copy_and_close().await?;

    // Restarted, it is read from the keychain again.
    window.close().await?;
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    until("the credential after a restart", || async {
        Ok((execute(&key).await?.body["got"] == format!("Bearer {CREDENTIAL}")).then_some(()))
    })
    .await?;
    ensure!(machine.any_file_holds(CREDENTIAL)?.is_none(), "it lies in a file");
    let name = "Agent runtime credential";
    ensure!(keychain.holds(name).await?.contains(CREDENTIAL), "it does not lie in the keychain");

    window.press("Preferences").await?;
    window.press("Remove").await?;
    window.click("#save-runtime").await?;
    window.find("#runtime-credential").await?;
    ensure!(!keychain.holds(name).await?.contains(CREDENTIAL), "it was not removed from the keychain");
    window.close().await?;
    runtime.kill().await?;
    keychain.stop().await
}

/// The process of this window's page.
async fn page_process(app: u32) -> Result<String> {
    until("the process of the page", || async {
        let found = output("pgrep", &["-P", &app.to_string(), "WebKitWebProces"]).await.unwrap_or_default();
        Ok(found.lines().last().map(str::to_owned))
    })
    .await
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn a_page_that_a_driver_keeps_from_running_is_tried_once_more_without_that_renderer() -> Result<()> {
    let machine = Machine::new()?;
    let mut app = machine.command(Machine::app()?).spawn()?;
    let id = app.id().context("it ended at once")?;
    let page = page_process(id).await?;
    output("kill", &["-STOP", &page]).await?;
    until("the app to start again", || async {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let variables = String::from_utf8_lossy(&environment);
        Ok(variables.contains("WEBKIT_DISABLE_DMABUF_RENDERER=1").then_some(()))
    })
    .await?;
    until("the page to be painted", || async { Ok(machine.any_file_holds("the page is painted")?.map(drop)) }).await?;
    app.kill().await?;
    // The one that was stopped hears of nothing.
    let _ = output("kill", &["-KILL", &page]).await;
    end_app().await
}
