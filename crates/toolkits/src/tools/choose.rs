//! Which connection a tool works through.

use std::sync::Arc;

use atthene_core::connections::{ConnectionId, ConnectionView, Toolkit};
use atthene_core::{Core, blocking};
use serde_json::Value;

use super::error::ToolError;
use super::text;

/// More are not listed in one error.
const LISTED: usize = 50;

/// The one that is named; where none is, the only one of this toolkit.
pub(super) async fn connection(
    core: &Arc<Core>,
    toolkit: Toolkit,
    named: Option<&Value>,
) -> Result<ConnectionView, ToolError> {
    let named = match named {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => match ConnectionId::try_from(id.as_str()) {
            Ok(id) => Some(id),
            Err(_) => return Err(ToolError::Arguments("The argument connection is no id of a connection.".to_owned())),
        },
        Some(_) => return Err(ToolError::Arguments("The argument connection has to be a string.".to_owned())),
    };
    let core = core.clone();
    let all = blocking(move || core.connections.list()).await?;
    let mut fit: Vec<ConnectionView> = all.into_iter().filter(|one| one.toolkit == toolkit).collect();
    match named {
        Some(id) => {
            let at = fit.iter().position(|one| one.id == id);
            at.map(|at| fit.swap_remove(at)).ok_or_else(|| {
                ToolError::Arguments(format!(
                    "There is no connection {} for {}: leave the argument connection out, or look at the list again.",
                    id.as_str(),
                    toolkit.as_str()
                ))
            })
        }
        None if fit.len() > 1 => {
            let name = |one: &ConnectionView| format!("{} ({})", one.id.as_str(), text::line(&one.account, 120));
            let mut several: Vec<String> = fit.iter().take(LISTED).map(name).collect();
            if fit.len() > LISTED {
                several.push(format!("and {} more", fit.len() - LISTED));
            }
            Err(ToolError::Several { toolkit, several })
        }
        None => fit.pop().ok_or(ToolError::NotConnected(toolkit)),
    }
}
