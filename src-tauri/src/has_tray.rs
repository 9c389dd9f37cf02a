//! Whether the desktop has a tray: the service shows its icon there, and the person reaches the app without a window.

use tauri::{AppHandle, Manager, Runtime};

use crate::state::HasTray;

/// Follows it. Blocks for as long as the desktop may get a tray or lose it.
pub(crate) fn follow<R: Runtime>(app: &AppHandle<R>) {
    if let Err(error) = desktop::follow(|there| app.state::<HasTray>().set(there)) {
        tracing::info!(%error, "whether this desktop has a tray can't be told");
    }
}

/// On Linux somebody has to watch for icons: a program that may start after this one.
#[cfg(target_os = "linux")]
mod desktop {
    use zbus::blocking::{Connection, fdo::DBusProxy};
    use zbus::names::BusName;

    const WATCHER: &str = "org.kde.StatusNotifierWatcher";

    /// Tells whether there is a tray now, and each time that this changes.
    pub(super) fn follow(mut tell: impl FnMut(bool)) -> zbus::Result<()> {
        let bus = Connection::session()?;
        let names = DBusProxy::new(&bus)?;
        let changes = names.receive_name_owner_changed_with_args(&[(0, WATCHER)])?;
        tell(names.name_has_owner(BusName::try_from(WATCHER)?)?);
        for change in changes {
            tell(change.args()?.new_owner().is_some());
        }
        Ok(())
    }
}

/// The service shows no icon on Windows and macOS.
#[cfg(not(target_os = "linux"))]
mod desktop {
    pub(super) fn follow(mut tell: impl FnMut(bool)) -> Result<(), std::convert::Infallible> {
        tell(false);
        Ok(())
    }
}
