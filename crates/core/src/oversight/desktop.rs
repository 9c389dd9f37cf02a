//! What the desktop does with our links and with Microsoft's pages.

use super::Finding;

const LINKS: (&str, &str) = ("deep_link", "Links back to the app");
const BROWSER: (&str, &str) = ("browser", "Browser");

/// Whether links of our scheme come here, and whether a browser opens. Starts the desktop's own
/// tools, so it blocks.
#[cfg(target_os = "linux")]
pub fn desktop_checks() -> [Finding; 2] {
    use crate::identity::IDENTIFIER;

    let links = match said("xdg-mime", &["query", "default", &format!("x-scheme-handler/{IDENTIFIER}")]) {
        Err(missing) => Finding::warning(
            LINKS.0,
            LINKS.1,
            missing,
            "Install xdg-utils, and start the app again; integrations that return over loopback work without.",
        ),
        Ok(handler) if handler.is_empty() => Finding::warning(
            LINKS.0,
            LINKS.1,
            "No program is registered for them on this desktop.",
            "Start the app once in this desktop session; integrations that return over loopback work without.",
        ),
        Ok(handler) => Finding::good(LINKS.0, LINKS.1, format!("They open {handler}.")),
    };
    let browser = match said("xdg-mime", &["query", "default", "x-scheme-handler/https"]) {
        Err(missing) => Finding::not_set_up(BROWSER.0, BROWSER.1, missing),
        Ok(browser) if browser.is_empty() => Finding::warning(
            BROWSER.0,
            BROWSER.1,
            "No browser is the default one.",
            "Choose one in the desktop's settings, or copy the sign-in link by hand.",
        ),
        Ok(browser) => Finding::good(BROWSER.0, BROWSER.1, format!("Sign-ins open in {browser}.")),
    };
    [links, browser]
}

#[cfg(target_os = "linux")]
fn said(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.map_err(|_| format!("{program} is not installed, so nobody can tell."))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Windows and macOS register links with the installed app and always have a browser.
#[cfg(not(target_os = "linux"))]
pub fn desktop_checks() -> [Finding; 2] {
    [
        Finding::not_set_up(LINKS.0, LINKS.1, "They are registered with the installed app."),
        Finding::not_set_up(BROWSER.0, BROWSER.1, "The system's default browser is used."),
    ]
}
