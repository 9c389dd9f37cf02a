//! What blocks (`SQLite`, argon2, a desktop's dialog), beside the runtime.

use crate::error::Error;

/// Runs `work` on a thread that may block. Needs a tokio runtime.
///
/// # Errors
/// What `work` fails with; [`Error::Internal`] where it panics.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::Internal(error.to_string())))
}
