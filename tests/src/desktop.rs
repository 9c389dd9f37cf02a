//! What a desktop has besides windows: a notification daemon and a panel with a tray.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Child;

use crate::machine::Machine;
use crate::{output, until};

/// dunst, on the session bus of the test.
pub struct NotificationDaemon(Child);

impl NotificationDaemon {
    /// Starts it and waits until it answers.
    pub async fn start(machine: &Machine) -> Result<Self> {
        let child = machine.command("dunst").spawn().context("dunst")?;
        until("the notification daemon", || async { Ok(output("dunstctl", &["count"]).await.ok()) }).await?;
        Ok(Self(child))
    }

    /// Waits until exactly so many notifications whose title holds `part` were shown.
    pub async fn shown(&self, part: &str, times: usize) -> Result<()> {
        until(&format!("{times} notifications of {part:?}"), || async {
            // What is shown now is closed into the history, which is all that can be read.
            output("dunstctl", &["close-all"]).await?;
            let history: Value = serde_json::from_str(&output("dunstctl", &["history"]).await?)?;
            let all = history["data"][0].as_array().cloned().unwrap_or_default();
            let titles: Vec<_> = all.iter().filter_map(|one| one["summary"]["data"].as_str()).collect();
            let found = titles.iter().filter(|title| title.contains(part)).count();
            ensure!(found <= times, "shown {found} times: {titles:?}");
            Ok((found == times).then_some(()))
        })
        .await
    }

    /// Waits until a notification whose title holds `part` is shown, and clicks it.
    pub async fn choose(&self, part: &str) -> Result<()> {
        until(&format!("a notification of {part:?}"), || async {
            // The newest comes first; what is closed goes into the history, from where it comes back.
            let history: Value = serde_json::from_str(&output("dunstctl", &["history"]).await?)?;
            let all = history["data"][0].as_array().cloned().unwrap_or_default();
            ensure!(all.iter().all(|one| !one["summary"]["data"].as_str().is_some_and(|title| title.contains(part))));
            let shown: usize = output("dunstctl", &["count", "displayed"]).await?.trim().parse()?;
            Ok((shown > 0).then_some(()))
        })
        .await?;
        output("dunstctl", &["action"]).await.map(drop)
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.0.kill().await?)
    }
}

/// The panel of Xfce with its tray; menus are read and chosen over the bus, as the panel does.
pub struct Panel(Child);

const MENU: &str = "com.canonical.dbusmenu";

impl Panel {
    /// Starts it and waits until it watches for tray icons.
    pub async fn start(machine: &Machine) -> Result<Self> {
        let folder = machine.home().join(".config/xfce4/xfconf/xfce-perchannel-xml");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("xfce4-panel.xml"), PANEL)?;
        let child = machine.command("xfce4-panel").arg("--disable-wm-check").spawn().context("xfce4-panel")?;
        until("the tray", || async {
            let watchers = "org.kde.StatusNotifierWatcher";
            Ok(output(
                "gdbus",
                &["introspect", "--session", "--dest", watchers, "--object-path", "/StatusNotifierWatcher"],
            )
            .await
            .ok())
        })
        .await?;
        Ok(Self(child))
    }

    /// Who owns the tray icon, and where its menu lies.
    async fn item(&self) -> Result<(String, String)> {
        let items = property(
            "org.kde.StatusNotifierWatcher",
            "/StatusNotifierWatcher",
            "org.kde.StatusNotifierWatcher",
            "RegisteredStatusNotifierItems",
        )
        .await?;
        let item = items.split('\'').nth(1).context("no tray icon yet")?;
        let (owner, path) = item.split_once('/').context("a tray icon without a path")?;
        let menu = property(owner, &format!("/{path}"), "org.kde.StatusNotifierItem", "Menu").await?;
        let menu = menu.split('\'').nth(1).context("a tray icon without a menu")?;
        Ok((owner.to_owned(), menu.to_owned()))
    }

    async fn layout(&self) -> Result<(String, String, String)> {
        let (owner, menu) = self.item().await?;
        let layout = output(
            "gdbus",
            &[
                "call",
                "--session",
                "--dest",
                &owner,
                "--object-path",
                &menu,
                "--method",
                &format!("{MENU}.GetLayout"),
                "--",
                "0",
                "-1",
                "[]",
            ],
        )
        .await?;
        Ok((owner, menu, layout))
    }

    /// Waits until a line of the menu reads so.
    pub async fn menu_shows(&self, text: &str) -> Result<()> {
        until(&format!("the tray to show {text:?}"), || async {
            let (_, _, layout) = self.layout().await?;
            ensure!(layout.contains(text), "{layout}");
            Ok(Some(()))
        })
        .await
    }

    /// Chooses the line of the menu that reads so, once it is there.
    pub async fn choose(&self, text: &str) -> Result<()> {
        self.menu_shows(text).await?;
        let (owner, menu, layout) = self.layout().await?;
        // Each line: (id, {'label': <'text'>, …}, …)
        let before = layout.split(&format!("<'{text}'>")).next().unwrap_or_default();
        let id = before.rsplit("<(").next().and_then(|rest| rest.split(',').next()).context("a line without an id")?;
        output(
            "gdbus",
            &[
                "call",
                "--session",
                "--dest",
                &owner,
                "--object-path",
                &menu,
                "--method",
                &format!("{MENU}.Event"),
                "--",
                id.trim(),
                "clicked",
                "<''>",
                "0",
            ],
        )
        .await
        .map(drop)
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.0.kill().await?)
    }
}

async fn property(owner: &str, path: &str, interface: &str, name: &str) -> Result<String> {
    let get = "org.freedesktop.DBus.Properties.Get";
    output("gdbus", &["call", "--session", "--dest", owner, "--object-path", path, "--method", get, interface, name])
        .await
}

/// One panel with nothing but a tray.
const PANEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="20"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>
"#;
