//! How many files this process may have open.

/// Raises the limit to what the system allows at most, and tells it: the usual one (1,024) is meant for programs of
/// another time, and each call has two connections.
#[cfg(unix)]
pub(crate) fn most() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised.current } else { limit.current };
    now.unwrap_or(u64::MAX)
}

/// There is no such limit worth speaking of.
#[cfg(not(unix))]
pub(crate) fn most() -> u64 {
    u64::MAX
}
