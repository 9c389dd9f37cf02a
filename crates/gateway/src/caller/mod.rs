//! Which program is at the other end of a loopback connection: a hint, not a proof.

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod procfs;
mod program;
pub(crate) mod stranger;

#[cfg(not(target_os = "linux"))]
use other as platform;
#[cfg(target_os = "linux")]
use procfs as platform;

pub(crate) use platform::Programs;
pub(crate) use program::Ends;
pub use program::RunsIn;

/// Who listens on a port, where it can be told.
pub(crate) fn listener_on(port: u16) -> Option<String> {
    platform::listener_on(port)
}

/// Where a program of this name runs now, as the gateway names callers. A hint: several may have one name. Blocks on
/// the list of processes.
pub fn running_as(name: &str) -> Option<RunsIn> {
    platform::running_as(name)
}
