//! The log: standard error, where `RUST_LOG` chooses, and a file a day in the data folder. A
//! secret can't get into a line: no secret type has a way to print itself.

use std::io::IsTerminal;
use std::path::Path;

use atthene_core::LogLevel;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// The folder in the data folder.
const FOLDER: &str = "logs";
const FILES: usize = 7;

/// Sets what the file holds.
pub(crate) struct LogFile(reload::Handle<EnvFilter, Registry>);

/// Begins to log. Where the folder can't be written, only to standard error.
pub(crate) fn begin(data_dir: Option<&Path>) -> Option<LogFile> {
    let (filter, handle) = reload::Layer::new(EnvFilter::new(LogLevel::Info.directives()));
    let appender = data_dir.and_then(|dir| file_in(dir).ok());
    let in_file = appender.is_some();
    // The file's layer comes first: its filter is bound to the bare registry.
    let file = appender.map(|appender| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::sync::Mutex::new(appender))
            .with_ansi(false)
            .with_filter(filter)
    });
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,atthene=info"));
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
        if let Err(error) = self.0.reload(EnvFilter::new(level.directives())) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

fn file_in(data_dir: &Path) -> std::io::Result<RollingFileAppender> {
    let folder = data_dir.join(FOLDER);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder)?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("atthene")
        .filename_suffix("log")
        .max_log_files(FILES)
        .build(folder)
        .map_err(std::io::Error::other)
}
