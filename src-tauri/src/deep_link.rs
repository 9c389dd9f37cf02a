//! The app's own scheme: registered at run time, and the links that come through it. They
//! are parsed in the core and never pass through an event, which a page could forge or hear.

use atthene_core::connections::{Answer, ReturnPath};
use atthene_core::identity::IDENTIFIER;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_deep_link::DeepLinkExt;

use crate::state::Startup;
use crate::window;

/// Makes the desktop hand links of our scheme to this binary. On macOS the bundle does.
pub(crate) fn register<R: Runtime>(app: &AppHandle<R>) {
    if cfg!(target_os = "macos") {
        let handle = app.clone();
        app.deep_link().on_open_url(move |event| {
            for url in event.urls() {
                take(&handle, url.as_str());
            }
        });
        return;
    }
    let registered = app.deep_link().register(IDENTIFIER).map_err(|error| error.to_string());
    #[cfg(target_os = "linux")]
    let registered = registered.and_then(|()| unquote_handler().map_err(|error| error.to_string()));
    if let Err(error) = registered {
        // What is missing is a finding of the self-check.
        tracing::info!(error, "links of the app's own scheme are not handed to it");
    }
}

/// The plugin writes `Exec="/path/to/app" %u`. Debian's `xdg-open` takes the quotes for a part
/// of the path, so they go where the path needs none.
#[cfg(target_os = "linux")]
fn unquote_handler() -> std::io::Result<()> {
    let Some(dirs) = directories::BaseDirs::new() else { return Ok(()) };
    let binary = tauri::process::current_binary(&tauri::Env::default())?;
    let name = binary.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = dirs.data_local_dir().join("applications").join(format!("{name}-handler.desktop"));
    let path = binary.display().to_string();
    if !path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
        return Ok(());
    }
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(file, text.replace(&format!("Exec=\"{path}\" "), &format!("Exec={path} ")))
}

/// The link among the arguments of a start. It must be the only one: whatever else stands
/// there was not put there by the desktop.
pub(crate) fn from_arguments(arguments: &[String]) -> Option<&str> {
    match arguments {
        [_, link] if link.starts_with(&format!("{IDENTIFIER}:")) => Some(link),
        _ => None,
    }
}

/// Takes a link, from whoever sent it.
pub(crate) fn take<R: Runtime>(app: &AppHandle<R>, link: &str) {
    window::raise(app);
    match Answer::from_link(link) {
        // It only raises the window.
        Ok(None) => {}
        Ok(Some((answer, integration))) => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                let Ok(core) = app.state::<Startup>().core().await else { return };
                if let Err(error) = core.connections.answer(answer, &ReturnPath::Link(integration)).await {
                    tracing::info!(%error, "a link was not taken");
                }
            });
        }
        // Never the link itself: it may hold a code.
        Err(problem) => tracing::info!(%problem, "a link was not taken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stands_alone() {
        let arguments = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let link = format!("{IDENTIFIER}://open");
        assert_eq!(from_arguments(&arguments(&["app", &link])), Some(link.as_str()));
        for other in [&["app"][..], &["app", "--flag"], &["app", &link, "more"], &["app", "--flag", &link]] {
            assert_eq!(from_arguments(&arguments(other)), None, "{other:?}");
        }
    }
}
