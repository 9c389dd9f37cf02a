//! macOS and Windows: the same question through netstat2 and sysinfo, which wrap
//! `proc_pidinfo` and `GetExtendedTcpTable`.

use netstat2::{
    AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, SocketInfo, TcpSocketInfo, TcpState, get_sockets_info,
};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::program::{Ends, RunsIn, describe};

/// Finds programs.
#[derive(Default)]
pub(crate) struct Programs;

impl Programs {
    /// The program at the first of the two ends, for each connection.
    #[allow(clippy::unused_self, reason = "on Linux it remembers")]
    pub(crate) fn of(&mut self, connections: &[Ends]) -> Vec<Option<String>> {
        let table = table();
        let program = |(peer, local): &Ends| {
            owner(&table, |socket| {
                (socket.local_addr, socket.local_port) == (peer.ip(), peer.port())
                    && (socket.remote_addr, socket.remote_port) == (local.ip(), local.port())
            })
        };
        connections.iter().map(program).collect()
    }
}

pub(super) fn listener_on(port: u16) -> Option<String> {
    owner(&table(), |socket| socket.state == TcpState::Listen && socket.local_port == port)
}

/// Not looked for there yet.
pub(super) fn running_as(_: &str) -> Option<RunsIn> {
    None
}

fn table() -> Vec<SocketInfo> {
    get_sockets_info(AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6, ProtocolFlags::TCP).unwrap_or_default()
}

fn owner(table: &[SocketInfo], wanted: impl Fn(&TcpSocketInfo) -> bool) -> Option<String> {
    let pid = table.iter().find_map(|socket| match &socket.protocol_socket_info {
        ProtocolSocketInfo::Tcp(tcp) if wanted(tcp) => socket.associated_pids.first().copied(),
        _ => None,
    })?;
    let pid = Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    let arguments: Vec<String> =
        system.process(pid)?.cmd().iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    describe(&arguments)
}
