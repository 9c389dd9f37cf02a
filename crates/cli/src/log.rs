//! What the command writes beside its output: on standard error.

use atthene_core::LogLevel;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::plain::Plain;

/// The log of this process.
pub(crate) struct Log {
    /// `None` where whoever called has chosen (`RUST_LOG`, `--quiet`), or this is no service.
    level: Option<reload::Handle<EnvFilter, Registry>>,
}

impl Log {
    /// Begins it. A service writes what it does, to be read by people or machines; other commands only
    /// what goes wrong.
    pub(crate) fn begin(service: bool, json: bool, quiet: bool) -> Self {
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
        let to = fmt::layer().with_writer(|| Plain::new(std::io::stderr())).with_ansi(false);
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
