//! One call of one tool.

use atthene_core::approvals::Shown;

use super::client::Graph;
use super::fence::Fence;

/// One call of one tool, under way.
pub(super) struct Run<'a> {
    pub(super) graph: Graph<'a>,
    pub(super) fence: Fence,
    /// Whose connection it is, as it is shown.
    pub(super) account: String,
    /// What a person was shown of it, where somebody was asked.
    pub(super) shown: Shown,
    /// Names an act that is done once only.
    pub(super) name: String,
}
