//! Files that a person chose in the desktop's own dialog. Their paths stay here: the page hears what a file
//! is called and never names one, so nothing that runs in it can write or read elsewhere.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// To be put back.
pub(crate) struct ToRestore;
/// To join a shared profile with.
pub(crate) struct ToJoin;

/// The file that was chosen for this purpose, until it is used or another one is chosen.
pub(crate) struct ChosenFile<T> {
    file: Mutex<Option<PathBuf>>,
    purpose: PhantomData<fn() -> T>,
}

impl<T> Default for ChosenFile<T> {
    fn default() -> Self {
        Self { file: Mutex::default(), purpose: PhantomData }
    }
}

impl<T> ChosenFile<T> {
    /// In place of the one before.
    pub(crate) fn hold(&self, file: Option<PathBuf>) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    pub(crate) fn take(&self) -> Option<PathBuf> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The file, which stays chosen.
    pub(crate) fn held(&self) -> Option<PathBuf> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
