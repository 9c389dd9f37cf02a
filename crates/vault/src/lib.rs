//! The OS keychain behind one small trait, owned by one thread.
//!
//! The platform stores neither order concurrent calls nor promise to return: a locked
//! keychain waits for a person. So one thread makes all calls in order, and a caller waits
//! for it with a limit. There is no plain-text fallback; an encrypted file can be chosen on
//! purpose.

mod envelopes;
mod file;
mod keychain;
mod memory;
mod passphrase;
mod secret_store;
mod split;
mod thread;

pub use file::FileVault;
pub use keychain::Keychain;
pub use memory::MemoryVault;
pub use passphrase::PASSPHRASE_VARIABLE;
pub use secret_store::SecretStore;
pub use thread::VaultThread;
