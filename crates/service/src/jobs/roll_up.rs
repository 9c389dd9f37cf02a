//! Makes days of old hours.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::Core;

use super::rows::on_rows;

pub(super) const EVERY: Duration = Duration::from_hours(1);

pub(super) async fn run(core: &Arc<Core>) {
    on_rows(core, "usage could not be rolled up", |core| core.usage.roll_up()).await;
}
