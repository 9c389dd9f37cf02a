//! Writes what was counted.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::Core;

use super::rows::on_rows;

/// What a crash loses is no older than this and one commit: less than 250 ms together.
pub(super) const EVERY: Duration = Duration::from_millis(150);

/// What could not be written is kept for the next time.
pub(super) async fn write(core: &Arc<Core>) {
    on_rows(core, "counters could not be written; they are kept for the next time", |core| core.usage.flush()).await;
}
