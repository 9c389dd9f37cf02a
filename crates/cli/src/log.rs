//! What the command writes beside its output: on standard error.

use std::io::IsTerminal;

use atthene_core::LogLevel;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

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
        let usual = if service { "warn" } else { "error" };
        let (filter, handle) = reload::Layer::new(chosen.unwrap_or_else(|| EnvFilter::new(usual)));
        let to = fmt::layer().with_writer(std::io::stderr);
        let written =
            if service && json { to.json().boxed() } else { to.with_ansi(std::io::stderr().is_terminal()).boxed() };
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
