//! Files that a person chose in the desktop's own dialog. Their paths stay here: the page hears what a file
//! is called and never names one, so nothing that runs in it can write or read elsewhere.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use atthene_core::Error;

/// The backup that was chosen to be put back, until it is or another one is chosen.
#[derive(Default)]
pub(crate) struct ChosenBackup(Mutex<Option<PathBuf>>);

impl ChosenBackup {
    /// In place of the one before.
    pub(crate) fn hold(&self, file: Option<PathBuf>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    pub(crate) fn take(&self) -> Result<PathBuf, Error> {
        let chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        chosen.ok_or_else(|| Error::Backup("No file was chosen".into()))
    }
}
