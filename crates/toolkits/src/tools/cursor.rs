//! Where the next page of a list begins, as an agent keeps it for us. Sealed: what is in it is asked for with a
//! connection's access.

use atthene_core::Core;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::ToolError;

/// In bytes: Graph's links have a few hundred.
const LONGEST: usize = 16 * 1024;
/// Of the seal, which stands first.
const SEAL: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    pub(super) connection: String,
    /// The tool, and what of it is listed.
    pub(super) tool: String,
    /// A path, or the link that Graph gave.
    pub(super) link: String,
    /// How many rows of that page were given before.
    pub(super) skip: usize,
}

impl Cursor {
    pub(super) fn sealed(&self, core: &Core) -> Result<String, ToolError> {
        let body = serde_json::to_vec(self).map_err(|_| ToolError::Unreadable)?;
        let seal = core.profile_secret().seal(&body);
        Ok(URL_SAFE_NO_PAD.encode([&seal[..], &body].concat()))
    }

    /// One that was given for this connection and tool.
    pub(super) fn opened(text: &str, core: &Core, connection: &str, tool: &str) -> Result<Self, ToolError> {
        let read = || {
            let bytes = (text.len() <= LONGEST).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
            let (seal, body) = bytes.split_at_checked(SEAL)?;
            let cursor = core.profile_secret().has_sealed(body, seal).then(|| serde_json::from_slice::<Self>(body));
            cursor?.ok().filter(|cursor| cursor.connection == connection && cursor.tool == tool)
        };
        read().ok_or_else(|| {
            ToolError::Arguments(
                "This cursor was not given for this tool, connection and list. Begin again without cursor.".to_owned(),
            )
        })
    }
}
