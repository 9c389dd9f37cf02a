//! What there is beside the rows of a profile where several hosts share it.

use super::hosts::HostRows;
use super::lease::LeaseRows;
use super::sealed::SealedRows;

/// Who takes part, what one at a time does for all, and the secrets that all open.
pub trait SharedRows: HostRows + LeaseRows + SealedRows {}

impl<T: HostRows + LeaseRows + SealedRows> SharedRows for T {}
