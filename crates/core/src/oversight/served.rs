//! Whose gateway answers on a port. Two data folders may be in use on one machine.

use crate::Core;

/// The header of `/healthz` that names the data folder.
pub const FOLDER_HEADER: &str = "x-atthene-folder";

/// Who answers on a loopback port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// A gateway on this data.
    Here,
    /// A gateway on the data of another folder or account.
    Elsewhere,
    /// Nobody, or another program.
    ByNone,
}

impl Core {
    /// Asks whoever answers on the port. Waits for the answer.
    pub async fn served_on(&self, port: u16) -> Served {
        let Ok(answer) = self.network.get(&format!("http://127.0.0.1:{port}/healthz")).await else {
            return Served::ByNone;
        };
        match answer.headers().get(FOLDER_HEADER) {
            None => Served::ByNone,
            Some(folder) if folder.as_bytes() == self.folder_id().as_bytes() => Served::Here,
            Some(_) => Served::Elsewhere,
        }
    }
}
