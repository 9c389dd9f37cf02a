//! The OS keychain behind one small trait, owned by one thread.
//!
//! The platform stores neither order concurrent calls nor promise to return: a locked
//! keychain waits for a person. So one thread makes all calls in order, and a caller waits
//! for it with a limit. There is no plain-text fallback; an encrypted file can be chosen on
//! purpose.
//!
//! A fleet has its secrets beside its rows, sealed under a key that each host keeps in the vault described above
//! ([`Sealed`]).

mod age_file;
mod envelopes;
mod file;
mod fleet_key;
#[cfg(test)]
mod hooked_rows;
mod in_force;
mod invite;
mod invite_passphrase;
mod keychain;
mod memory;
mod passphrase;
mod random;
mod rotation;
mod seal;
mod sealed;
mod secret_store;
mod split;
mod thread;

pub use file::FileVault;
pub use fleet_key::{FleetKey, FleetKeyId, NotAFleetKey};
pub use in_force::put_in_force;
pub use invite::{Invite, InviteError, open_invite};
pub use keychain::Keychain;
pub use memory::{MemoryRows, MemoryVault};
pub use passphrase::PASSPHRASE_VARIABLE;
pub use rotation::{Rotation, rotate};
pub use seal::open_sealed;
pub use sealed::Sealed;
pub use secret_store::SecretStore;
pub use thread::VaultThread;
