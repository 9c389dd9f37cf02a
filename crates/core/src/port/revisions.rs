//! How often rows were changed.

use crate::change::Change;

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

impl Revisions {
    /// What is not as it was before. Fewer changes than before are a change, too: the database was put back.
    pub fn changed_since(&self, before: &Self) -> Vec<Change> {
        let changed = [
            (before.keys != self.keys, Change::Keys),
            (before.settings != self.settings, Change::Settings),
            (before.integrations != self.integrations, Change::Integrations),
            (before.connections != self.connections, Change::Connections),
            (before.activity != self.activity, Change::Activity),
            (before.usage != self.usage, Change::Usage),
            (before.service != self.service, Change::Gateway),
            (before.approvals != self.approvals, Change::Approvals),
        ];
        changed.into_iter().filter_map(|(changed, what)| changed.then_some(what)).collect()
    }
}
