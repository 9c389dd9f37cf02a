//! What the command writes beside its output: on standard error, or to files.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use atthene_core::LogLevel;
use tracing_appender::rolling::RollingFileAppender;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::plain::Plain;

/// What the files of a service in the background are named by.
const PROGRAM: &str = "service";

/// Where lines go.
enum Target {
    File(Arc<Mutex<RollingFileAppender>>),
    StandardError(std::io::Stderr),
}

impl Target {
    fn of(files: Option<&Arc<Mutex<RollingFileAppender>>>) -> Self {
        files.map_or_else(|| Self::StandardError(std::io::stderr()), |files| Self::File(files.clone()))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
            Self::StandardError(stderr) => stderr.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).flush(),
            Self::StandardError(stderr) => stderr.flush(),
        }
    }
}

/// The log of this process.
pub(crate) struct Log {
    /// `None` where whoever called has chosen (`RUST_LOG`, `--quiet`), or this is no service.
    level: Option<reload::Handle<EnvFilter, Registry>>,
}

impl Log {
    /// Begins it. A service writes what it does, to be read by people or machines; other commands only
    /// what goes wrong.
    ///
    /// `files`: the data folder, where a service in the background writes it to files there.
    pub(crate) fn begin(service: bool, json: bool, quiet: bool, files: Option<&Path>) -> Self {
        let chosen = EnvFilter::try_from_default_env().ok();
        let follows = service && !quiet && chosen.is_none();
        // A command that fails says so itself, once, in words; whoever reads JSON or nothing reads no line beside it.
        let usual = match (service, json || quiet) {
            (true, _) => "warn",
            (false, false) => "off,atthene=error",
            (false, true) => "off",
        };
        let (filter, handle) = reload::Layer::new(chosen.unwrap_or_else(|| EnvFilter::new(usual)));
        // What a line tells may come from anybody.
        let files = files.and_then(|dir| atthene_service::log_file(dir, PROGRAM).ok()).map(Mutex::new).map(Arc::new);
        let to = fmt::layer().with_writer(move || Plain::new(Target::of(files.as_ref()))).with_ansi(false);
        let written = if service && json { to.json().boxed() } else { to.boxed() };
        tracing_subscriber::registry().with(filter).with(written).init();
        Self { level: follows.then_some(handle) }
    }

    /// Holds this and what is worse from now on, where nobody has chosen otherwise.
    pub(crate) fn set(&self, level: LogLevel) {
        let Some(handle) = &self.level else { return };
        if let Err(error) = handle.reload(EnvFilter::new(level.directives())) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}
