//! The person's own browser. The page of a sign-in holds the state and the challenge of the attempt, and a
//! command line can be read by every account of the machine: so it goes through the desktop's portal where
//! there is one, as a message that nobody else sees.

use crate::error::Error;

/// Opens the page. Blocks until the desktop has taken it.
pub fn open_in_browser(page: &str) -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    match portal::open(page) {
        Ok(()) => return Ok(()),
        // Most often there is none: a plain window manager, a server.
        Err(error) => tracing::debug!(%error, "the desktop has no portal that opens pages"),
    }
    open::that_detached(page).map_err(|error| Error::BrowserFailed(error.to_string()))
}

#[cfg(target_os = "linux")]
mod portal {
    use std::collections::HashMap;
    use std::time::Duration;

    use zbus::blocking::connection::Builder;
    use zbus::zvariant::Value;

    /// A portal that hangs must not keep the person from signing in.
    const TIMEOUT: Duration = Duration::from_secs(5);

    /// `org.freedesktop.portal.OpenURI`, version 1.
    pub(super) fn open(page: &str) -> zbus::Result<()> {
        let bus = Builder::session()?.method_timeout(TIMEOUT).build()?;
        let no_window = "";
        let options: HashMap<&str, Value<'_>> = HashMap::new();
        bus.call_method(
            Some("org.freedesktop.portal.Desktop"),
            "/org/freedesktop/portal/desktop",
            Some("org.freedesktop.portal.OpenURI"),
            "OpenURI",
            &(no_window, page, options),
        )
        .map(drop)
    }
}
