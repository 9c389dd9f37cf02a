//! Rows on their way from one database to another: columns of values, as many rows at once as memory is meant to hold.

use atthene_core::StoreError;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Whole,
    Text,
    /// Written as 0 or 1 where it comes from.
    Truth,
    Bytes,
}

/// Where rows of one table come from and where they go.
pub(crate) struct CopiedTable {
    /// Its name where they go.
    pub(crate) table: &'static str,
    /// What people call its rows.
    pub(crate) rows: &'static str,
    pub(crate) columns: &'static [(&'static str, ValueKind)],
    /// Reads these columns there, in order.
    pub(crate) from: &'static str,
    /// Whether rows are of one host here, which has a column for it.
    pub(crate) of_host: bool,
}

/// Values of one column, as many as there are rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Column {
    Whole(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Truth(Vec<Option<bool>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    pub(crate) fn of(kind: ValueKind) -> Self {
        match kind {
            ValueKind::Whole => Self::Whole(Vec::new()),
            ValueKind::Text => Self::Text(Vec::new()),
            ValueKind::Truth => Self::Truth(Vec::new()),
            ValueKind::Bytes => Self::Bytes(Vec::new()),
        }
    }
}

/// Rows at once, and bytes of their texts.
pub(crate) const MOST_ROWS: usize = 2000;
pub(crate) const MOST_BYTES: usize = 1024 * 1024;

/// A hash with the row that it is of.
pub(crate) type RowHash = (i64, Vec<u8>);

/// One profile in one view, while it is copied.
pub(crate) trait Source {
    /// The secret that it was born with.
    fn secret(&self) -> Result<[u8; 32], StoreError>;
    /// How many rows there are.
    fn count(&self, table: &CopiedTable) -> Result<u64, StoreError>;
    /// Reads all of them, some at once.
    fn read(&self, table: &CopiedTable, each: &mut dyn FnMut(&[Column]) -> bool) -> Result<(), StoreError>;
    /// The newest row of the record.
    fn head(&self) -> Result<Option<RowHash>, StoreError>;
    /// The last row that was cut off the record.
    fn cut(&self) -> Result<Option<RowHash>, StoreError>;
}
