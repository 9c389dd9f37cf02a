//! The window on a machine of a test.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::machine::Machine;
use crate::processes::{app_is_running, service, window_is_running};
use crate::{answered, output, until};

const DRIVER_PORT: u16 = 4466;
/// How often a path is typed, and how soon its dialog closes where every key has arrived.
const TRIES: usize = 4;
const CLOSES_WITHIN: Duration = Duration::from_secs(3);

/// A test that failed leaves no app behind for the next one to meet.
impl Drop for Window {
    fn drop(&mut self) {
        let kill = |what: &[&str]| drop(std::process::Command::new(what[0]).args(&what[1..]).status());
        if let Ok(app) = Machine::app() {
            kill(&["pkill", "-9", "-f", &app.display().to_string()]);
        }
        if let Ok(Some(service)) = service() {
            kill(&["kill", "-9", &service.to_string()]);
        }
    }
}

/// The open window.
pub struct Window {
    client: Client,
    driver: Child,
}

impl Window {
    /// Starts the app and waits for its page. Under a moved clock the web view's process crashes now and then; the app
    /// loads its page again, and the driver's session has lost it. That is said, and the app started once more. Twice is
    /// a failure.
    pub async fn open(machine: &Machine) -> Result<Self> {
        match Self::started(machine).await {
            Ok(window) => Ok(window),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "the app is started once more: {error:#}");
                Self::started(machine).await
            }
        }
    }

    async fn started(machine: &Machine) -> Result<Self> {
        let driver = machine
            .command("WebKitWebDriver")
            .arg(format!("--port={DRIVER_PORT}"))
            // What tauri-driver sets: the web view of the app lets itself be driven.
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stderr(std::fs::File::options().create(true).append(true).open(machine.log())?)
            .spawn()
            .context("WebKitWebDriver")?;
        let options = json!({ "webkitgtk:browserOptions": { "binary": Machine::app()?, "args": [] } });
        let Value::Object(capabilities) = options else { unreachable!("written as an object above") };
        let capabilities: Capabilities = capabilities;
        let client = until("a session with the window", || async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.clone());
            Ok(Some(builder.connect(&format!("http://127.0.0.1:{DRIVER_PORT}")).await?))
        })
        .await?;
        let window = Self { client, driver };
        // A page that does not come tells nobody why; the app's own words do.
        window.find("main").await.with_context(|| {
            let log = std::fs::read_to_string(machine.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            format!("the app wrote last: {:#?}", &lines[lines.len().saturating_sub(20)..])
        })?;
        Ok(window)
    }

    /// The element, once it is there.
    pub async fn find(&self, selector: &str) -> Result<Element> {
        until(selector, || async { Ok(Some(self.client.find(Locator::Css(selector)).await?)) }).await
    }

    /// The button of that name, once it is there. A row is named by what it shows first.
    pub async fn button(&self, name: &str) -> Result<Element> {
        let path = format!(
            "//button[normalize-space()='{name}' or @aria-label='{name}' or .//bdi[normalize-space()='{name}'] or .//span[contains(@class, 'name') and normalize-space()='{name}']]"
        );
        until(name, || async { Ok(Some(self.client.find(Locator::XPath(&path)).await?)) }).await
    }

    /// Clicks the element, once it is there and nothing that closes lies over it.
    pub async fn click(&self, selector: &str) -> Result<()> {
        until(&format!("click {selector}"), || async {
            self.client.find(Locator::Css(selector)).await?.click().await?;
            Ok(Some(()))
        })
        .await
    }

    /// Clicks the button of that name, once it is there.
    pub async fn press(&self, name: &str) -> Result<()> {
        // News may lay the page out anew between the look and the click.
        until(&format!("press {name}"), || async {
            self.button(name).await?.click().await?;
            Ok(Some(()))
        })
        .await
    }

    /// Opens the row of that name, where it is not open.
    pub async fn open_row(&self, name: &str) -> Result<()> {
        let row = self.button(name).await?;
        if row.attr("aria-expanded").await?.as_deref() == Some("false") {
            row.click().await?;
        }
        Ok(())
    }

    /// Opens what is folded. A click goes astray where news moves the page at that moment, and is made again.
    pub async fn unfold(&self, selector: &str) -> Result<()> {
        until(&format!("{selector} to open"), || async {
            let fold = self.client.find(Locator::Css(selector)).await?;
            if fold.attr("aria-expanded").await?.as_deref() == Some("true") {
                return Ok(Some(()));
            }
            fold.click().await?;
            Ok(None)
        })
        .await
    }

    /// Replaces what stands in the field. A dialog that opens moves the focus, and what is typed
    /// at that moment goes astray; then it is typed once more.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        until(&format!("{selector} to hold what was typed"), || async {
            let field = self.find(selector).await?;
            field.clear().await?;
            // Clearing alone is no input to the page; a key typed and taken back is.
            field.send_keys(if text.is_empty() { " \u{e003}" } else { text }).await?;
            Ok((field.prop("value").await?.as_deref() == Some(text)).then_some(()))
        })
        .await
    }

    /// Chooses an option of a select.
    pub async fn choose(&self, selector: &str, option: &str) -> Result<()> {
        self.click(selector).await?;
        let path = format!("//*[@role='option' and normalize-space()='{option}']");
        let option = until(option, || async { Ok(self.client.find(Locator::XPath(&path)).await.ok()) }).await?;
        Ok(option.click().await?)
    }

    /// Picks a day, as a calendar does: WebKit's own can't be driven.
    pub async fn pick_day(&self, selector: &str, day: &str) -> Result<()> {
        self.find(selector).await?;
        self.script(&format!(
            "const field = document.querySelector('{selector}');
             field.value = '{day}';
             field.dispatchEvent(new Event('input', {{ bubbles: true }}))"
        ))
        .await?;
        Ok(())
    }

    /// Asks the app as the page does, and returns its whole answer.
    pub async fn invoke(&self, command: &str, arguments: &str) -> Result<Value> {
        self.script_async(&format!(
            "const done = arguments[arguments.length - 1];
             window.__TAURI_INTERNALS__.invoke('{command}', {arguments}).then(done, done)"
        ))
        .await
    }

    /// The text of the element, once it is there. Also what an ellipsis hides.
    pub async fn text(&self, selector: &str) -> Result<String> {
        Ok(self.find(selector).await?.prop("textContent").await?.unwrap_or_default())
    }

    /// Waits until the element's text holds `part`.
    pub async fn shows(&self, selector: &str, part: &str) -> Result<String> {
        until(&format!("{selector} to show {part:?}"), || async {
            let text = self.text(selector).await?;
            ensure!(text.contains(part), "it shows {text:?}");
            Ok(Some(text))
        })
        .await
    }

    /// Waits until no element matches.
    pub async fn gone(&self, selector: &str) -> Result<()> {
        until(&format!("{selector} to go"), || async {
            let found = self.client.find_all(Locator::Css(selector)).await?;
            Ok(found.is_empty().then_some(()))
        })
        .await
    }

    /// Runs a script in the page.
    pub async fn script(&self, script: &str) -> Result<Value> {
        answered(script, self.client.execute(script, Vec::new())).await
    }

    /// Runs a script that calls back with its result.
    pub async fn script_async(&self, script: &str) -> Result<Value> {
        answered(script, self.client.execute_async(script, Vec::new())).await
    }

    /// Presses keys, as on the keyboard.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        // While a dialog opens or closes, what has the focus takes no keys for a moment, and nothing was typed.
        until("the element in focus to take keys", || async {
            self.client.active_element().await?.send_keys(keys).await?;
            Ok(Some(()))
        })
        .await
    }

    /// Creates a key through the dialog and returns its text. The dialog stays open.
    pub async fn create_key(&self, name: &str) -> Result<String> {
        self.click("#new-key, #replace-key").await?;
        self.name_key(name).await
    }

    /// Names the key whose form is open, puts it in force and returns its text.
    async fn name_key(&self, name: &str) -> Result<String> {
        self.fill("#key-name", name).await?;
        self.click("[form=create-key]").await?;
        self.find("#new-key-text").await?;
        if self.client.find(Locator::Css("#issue-key")).await.is_ok() {
            self.click("#issue-key").await?;
            self.gone("#issue-key").await?;
        }
        self.revealed_key().await
    }

    /// The text of the new key, shown and hidden again.
    pub async fn revealed_key(&self) -> Result<String> {
        // A click goes astray while the answer of the first call moves what stands below.
        let text = until("the text of the key", || async {
            if self.text("#new-key-text span").await?.contains('•') {
                self.client.find(Locator::Css("#new-key-eye[aria-pressed=false]")).await?.click().await?;
            }
            let text = self.text("#new-key-text span").await?;
            Ok((!text.contains('•')).then_some(text))
        })
        .await?;
        self.click("#new-key-eye").await?;
        Ok(text)
    }

    /// Creates a key through the button of what needs attention. The dialog stays open.
    pub async fn press_new_key_from_attention(&self, name: &str) -> Result<String> {
        self.click("#attention").await?;
        self.click("[data-attention] button").await?;
        self.name_key(name).await
    }

    /// Copies the new key, and leaves its dialog open.
    pub async fn copy_key(&self) -> Result<()> {
        // A click goes astray while the dialog finds its place, and while the answer of the first call moves what
        // stands below.
        until("the key to be copied", || async {
            self.client.find(Locator::Css("#copy-key")).await?.click().await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(self.text("#copy-status").await?.contains("Copied").then_some(()))
        })
        .await
    }

    /// Copies the new key and leaves its dialog.
    pub async fn copy_and_close(&self) -> Result<()> {
        self.copy_key().await?;
        self.click("#new-key-done").await?;
        self.gone("#new-key-text").await
    }

    /// Types a path into the desktop's own dialog of this title, as a person does.
    pub async fn choose_file(&self, title: &str, path: &Path) -> Result<()> {
        let named = format!("^{title}$");
        let search = ["search", "--onlyvisible", "--name", &named];
        let dialog = until(&format!("the dialog {title:?}"), || async {
            let found = output("xdotool", &search).await.unwrap_or_default();
            Ok(found.lines().next().map(str::to_owned))
        })
        .await?;
        let closed = || async {
            let found = output("xdotool", &search).await.unwrap_or_default();
            Ok(found.trim().is_empty().then_some(()))
        };
        // GTK opens its field for a path at the first character, and looks the file up beside what is typed:
        // keys that come too early are lost, and a person presses them again.
        for _ in 0..TRIES {
            if output("xdotool", &["windowactivate", "--sync", &dialog]).await.is_err() {
                break;
            }
            // In place of what stands there.
            output("xdotool", &["key", "--clearmodifiers", "ctrl+a"]).await?;
            output("xdotool", &["type", "--delay", "5", &path.display().to_string()]).await?;
            output("xdotool", &["key", "Return"]).await?;
            let what = format!("the dialog {title:?} to close");
            if tokio::time::timeout(CLOSES_WITHIN, until(&what, closed)).await.is_ok_and(|closed| closed.is_ok()) {
                return Ok(());
            }
        }
        until(&format!("the dialog {title:?} to close"), closed).await
    }

    /// Says that the right account signed in.
    pub async fn confirm_account(&self, account: &str) -> Result<()> {
        self.shows("[data-sign-in=confirm]", &format!("{account} signed in")).await?;
        self.click("#use-account").await?;
        self.shows("[data-sign-in=done]", &format!("{account} is connected")).await?;
        Ok(())
    }

    /// Saves a picture of the page into the folder that `ATTHENE_SCREENSHOTS` names.
    pub async fn picture(&self, name: &str) -> Result<()> {
        if let Some(folder) = std::env::var_os("ATTHENE_SCREENSHOTS") {
            std::fs::create_dir_all(&folder)?;
            // What was changed last is painted in the next frame.
            self.script_async("requestAnimationFrame(() => requestAnimationFrame(arguments[arguments.length - 1]))")
                .await?;
            // Without a graphics card the web view presents only what changes, and the driver waits
            // for that: a dot that nobody sees changes until the picture is taken.
            self.script(
                "const dot = document.body.appendChild(document.createElement('i'));
                 dot.id = 'picture-dot';
                 dot.style.cssText = 'position:fixed;right:0;bottom:0;width:1px;height:1px';
                 let on = false;
                 dot.dataset.timer = setInterval(
                   () => (dot.style.background = (on = !on) ? 'rgb(127 127 127 / 1%)' : 'none'), 20)",
            )
            .await?;
            let picture = answered("screenshot", self.client.screenshot()).await?;
            self.script(
                "const dot = document.getElementById('picture-dot');
                 clearInterval(Number(dot.dataset.timer));
                 dot.remove()",
            )
            .await?;
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture)?;
        }
        Ok(())
    }

    /// Sets the size of the page.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.client.set_window_size(width, height).await?;
        Ok(())
    }

    /// Closes the window as a person does who wants the app to end, and waits until it has.
    pub async fn close(mut self) -> Result<()> {
        output("wmctrl", &["-c", "ATTHENE Settings"]).await?;
        // The name on the session bus and the gateway's port must be free for the next window.
        let ended = until("the app to end", || async {
            // There is no tray here, so the app asks; once, as the answer is kept.
            if let Ok(quit) = self.client.find(Locator::Css("#close-quit")).await {
                let _ = quit.click().await;
            }
            Ok((!app_is_running()?).then_some(()))
        })
        .await;
        if let Err(error) = ended {
            let page = self.text("body").await.unwrap_or_else(|error| format!("no answer: {error}"));
            let windows = output("wmctrl", &["-lp"]).await.unwrap_or_default();
            return Err(error.context(format!(
                "window's process: {}, service: {:?}, windows: {windows:?}, page: {page:?}",
                window_is_running()?,
                service()?,
            )));
        }
        self.driver.kill().await?;
        Ok(())
    }

    /// Closes the window, and lets the service go on without it.
    pub async fn leave(mut self) -> Result<()> {
        output("wmctrl", &["-c", "ATTHENE Settings"]).await?;
        until("the window to be gone", || async {
            if let Ok(keep) = self.client.find(Locator::Css("#close-keep")).await {
                let _ = keep.click().await;
            }
            Ok((!output("wmctrl", &["-l"]).await?.contains("ATTHENE Settings")).then_some(()))
        })
        .await?;
        until("the window's process to end", || async { Ok((!window_is_running()?).then_some(())) }).await?;
        ensure!(service()?.is_some(), "the service ended with the window");
        self.driver.kill().await?;
        std::mem::forget(self);
        Ok(())
    }
}
