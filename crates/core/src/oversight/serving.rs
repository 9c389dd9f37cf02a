//! On which ports this data is served: a gateway may have been given another one than the settings name. Each holds a
//! lock for as long as it serves, which the system lets go of however its process ends.

use std::fs::File;
use std::path::PathBuf;

use crate::files;
use crate::use_cases::Core;

/// The folder beside the database.
const FOLDER: &str = "locks";
const NAME: &str = "serving-";

/// Held while a port is served.
pub struct Serving(#[expect(dead_code, reason = "held, not read")] File);

impl Core {
    /// Lets others know that this process serves this port; `None`: the folder can't be written, and they are not told.
    pub fn serving(&self, port: u16) -> Option<Serving> {
        let folder = self.locks();
        let held = || {
            files::make_private_folder(&folder)?;
            let file = files::open_private(&folder.join(format!("{NAME}{port}")))?;
            file.lock_shared()?;
            Ok::<_, std::io::Error>(Serving(file))
        };
        held().inspect_err(|error| tracing::debug!(%error, "others are not told which port is served")).ok()
    }

    /// Where the locks of this profile's processes lie.
    pub(super) fn locks(&self) -> PathBuf {
        self.store.folder().join(FOLDER)
    }

    /// The ports on which this data is served, whichever process does.
    pub fn serving_ports(&self) -> Vec<u16> {
        let Ok(entries) = std::fs::read_dir(self.locks()) else { return Vec::new() };
        let served = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let port = entry.file_name().to_str()?.strip_prefix(NAME)?.parse().ok()?;
            // Whoever has ended holds it no more.
            let is_held = File::open(entry.path()).ok()?.try_lock().is_err();
            is_held.then_some(port)
        });
        let mut ports: Vec<u16> = served.collect();
        ports.sort_unstable();
        ports
    }
}
