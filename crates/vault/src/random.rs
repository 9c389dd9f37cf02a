//! Random bytes for keys and salts.

use rand::Rng;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

/// Fills these from the operating system's random source.
///
/// # Panics
/// When the operating system has no random numbers: nothing could be kept secret then.
pub(crate) fn fill(bytes: &mut [u8]) {
    UnwrapErr(SysRng).fill_bytes(bytes);
}
