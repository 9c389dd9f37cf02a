//! `atthene connection permit`.

use std::io::Write as _;
use std::sync::Arc;

use atthene_core::permissions::Act;
use atthene_core::{Core, Error};

use crate::args::PermitArguments;
use crate::blocking::blocking;
use crate::out::{CommandResult, Out};

pub(crate) async fn run(core: &Arc<Core>, out: &Out, arguments: PermitArguments) -> CommandResult {
    let said = blocking(core, move |core| {
        let all = core.connections.list()?;
        let row = all.into_iter().find(|view| view.id == arguments.id).ok_or(Error::ConnectionNotFound)?;
        let said = arguments.applied_to(row.permissions);
        core.connections.set_permissions(&arguments.id, said)?;
        Ok(said)
    })
    .await?;
    out.result(&said, |to| {
        for act in Act::ALL {
            writeln!(to, "{:7} {}", act.as_str(), said.of(act).as_str())?;
        }
        writeln!(to, "graph   {}", said.graph.as_str())?;
        writeln!(to, "token   {}", if said.token { "allow" } else { "deny" })
    })
}
