//! The log: standard error, where `RUST_LOG` chooses, and a file a day in the data folder. A
//! secret can't get into a line: no secret type has a way to print itself.

use std::io::IsTerminal;
use std::path::Path;

use atthene_core::LogLevel;
use atthene_service::log_file;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// What the files are named by.
const PROGRAM: &str = "atthene";

/// Sets what the file holds.
pub(crate) struct LogFile(reload::Handle<EnvFilter, Registry>);

/// Begins to log. Where the folder can't be written, only to standard error.
pub(crate) fn begin(data_dir: Option<&Path>) -> Option<LogFile> {
    let (filter, handle) = reload::Layer::new(lines_of(LogLevel::Info));
    let appender = data_dir.and_then(|dir| log_file(dir, PROGRAM).ok());
    let in_file = appender.is_some();
    // The file's layer comes first: its filter is bound to the bare registry.
    let file = appender.map(|appender| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::sync::Mutex::new(appender))
            .with_ansi(false)
            .with_filter(filter)
    });
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| lines_of(LogLevel::Info));
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(chosen);
    tracing_subscriber::registry().with(file).with(stderr).init();
    in_file.then_some(LogFile(handle))
}

impl LogFile {
    /// Holds this and what is worse from now on.
    pub(crate) fn set(&self, level: LogLevel) {
        if let Err(error) = self.0.reload(lines_of(level)) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

/// Lines of this level. What the plugin says of a desktop without `xdg-mime` is a finding of the self-check, and no error.
fn lines_of(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("{},tauri_plugin_deep_link=off", level.directives()))
}
