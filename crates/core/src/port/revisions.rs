//! How often rows were changed.

/// How often each kind of row was changed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revisions {
    pub keys: i64,
    pub settings: i64,
    pub integrations: i64,
    pub connections: i64,
    pub activity: i64,
    pub usage: i64,
    pub service: i64,
    pub approvals: i64,
}
