//! Chromium as the system browser: opened by the desktop, driven by chromedriver.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::machine::Machine;
use crate::until;

const DRIVER_PORT: u16 = 9516;
const DEBUG_PORT: u16 = 9333;

/// The running browser.
pub struct Browser {
    client: Client,
    driver: Child,
}

impl Browser {
    /// Makes Chromium what the desktop opens links with. It may hand links of the app's own
    /// scheme on without asking, as after "always allow".
    pub fn install(machine: &Machine) -> Result<()> {
        let profile = machine.home().join("chromium");
        std::fs::create_dir_all(profile.join("Default"))?;
        let scheme = json!({ "com.atthene.settings": true });
        let allowed = json!({ "http://localhost:4005": scheme, "https://localhost:8443": scheme });
        let preferences = json!({ "protocol_handler": { "allowed_origin_protocol_pairs": allowed } });
        std::fs::write(profile.join("Default/Preferences"), preferences.to_string())?;
        let script = machine.home().join("browser");
        // As root in a container, Chromium can't make its sandbox.
        let text = format!(
            "#!/bin/sh\nexec chromium --no-sandbox --no-first-run --password-store=basic --disable-gpu --ignore-certificate-errors \
             --remote-debugging-port={DEBUG_PORT} --user-data-dir='{}' \"$@\" >/dev/null 2>&1\n",
            profile.display()
        );
        std::fs::write(&script, text)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        let applications = machine.home().join(".local/share/applications");
        std::fs::create_dir_all(&applications)?;
        let entry = format!(
            "[Desktop Entry]\nType=Application\nName=Browser\nExec={} %u\n\
             MimeType=x-scheme-handler/http;x-scheme-handler/https;\n",
            script.display()
        );
        std::fs::write(applications.join("browser.desktop"), entry)?;
        let config = machine.home().join(".config");
        std::fs::create_dir_all(&config)?;
        let defaults =
            "[Default Applications]\nx-scheme-handler/http=browser.desktop\nx-scheme-handler/https=browser.desktop\n";
        Ok(std::fs::write(config.join("mimeapps.list"), defaults)?)
    }

    /// Takes hold of the browser that the desktop has opened.
    pub async fn attach(machine: &Machine) -> Result<Self> {
        let driver =
            machine.command("chromedriver").arg(format!("--port={DRIVER_PORT}")).spawn().context("chromedriver")?;
        let options = json!({ "goog:chromeOptions": { "debuggerAddress": format!("127.0.0.1:{DEBUG_PORT}") } });
        let Value::Object(capabilities) = options else { unreachable!("written as an object above") };
        let capabilities: Capabilities = capabilities;
        let client = until("a session with the browser", || async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.clone());
            Ok(Some(builder.connect(&format!("http://127.0.0.1:{DRIVER_PORT}")).await?))
        })
        .await?;
        Ok(Self { client, driver })
    }

    /// Fills the field of the page that the app opened.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        Ok(self.find(Locator::Css(selector)).await?.send_keys(text).await?)
    }

    /// Clicks in the page that the app opened.
    pub async fn click(&self, selector: &str) -> Result<()> {
        Ok(self.find(Locator::Css(selector)).await?.click().await?)
    }

    /// Signs in as this person on the page that is open.
    pub async fn sign_in(&self, email: &str) -> Result<()> {
        let path = format!("//button[contains(., '{email}')]");
        Ok(self.find(Locator::XPath(&path)).await?.click().await?)
    }

    async fn find(&self, locator: Locator<'_>) -> Result<Element> {
        until("the browser's page", || async {
            // The newest tab is the one that the app opened.
            for window in self.client.windows().await?.into_iter().rev() {
                self.client.switch_to_window(window).await?;
                if let Ok(element) = self.client.find(locator).await {
                    return Ok(Some(element));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Waits until the page shows the text.
    pub async fn shows(&self, text: &str) -> Result<()> {
        until(&format!("the browser to show {text:?}"), || async {
            Ok(self.client.source().await?.contains(text).then_some(()))
        })
        .await
    }

    /// The address of the page.
    pub async fn address(&self) -> Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Ends it.
    pub async fn close(mut self) -> Result<()> {
        let _ = self.client.close_window().await;
        let _ = self.client.clone().close().await;
        self.driver.kill().await?;
        Ok(())
    }
}

/// The desktop has opened it, so it is nobody's child: a test that failed must not leave it to
/// the next one.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = std::process::Command::new("pkill").args(["-9", "-f", "remote-debugging-port=9333"]).status();
    }
}
