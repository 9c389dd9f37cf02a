//! macOS and Windows: the same question through netstat2 and sysinfo, which wrap
//! `proc_pidinfo` and `GetExtendedTcpTable`.

use std::net::SocketAddr;

use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, TcpSocketInfo, TcpState, get_sockets_info};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::describe;

pub(super) fn program_of(peer: SocketAddr, local: SocketAddr) -> Option<String> {
    owner(|socket| {
        (socket.local_addr, socket.local_port) == (peer.ip(), peer.port())
            && (socket.remote_addr, socket.remote_port) == (local.ip(), local.port())
    })
}

pub(super) fn listener_on(port: u16) -> Option<String> {
    owner(|socket| socket.state == TcpState::Listen && socket.local_port == port)
}

fn owner(wanted: impl Fn(&TcpSocketInfo) -> bool) -> Option<String> {
    let sockets = get_sockets_info(AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6, ProtocolFlags::TCP).ok()?;
    let pid = sockets.into_iter().find_map(|socket| match &socket.protocol_socket_info {
        ProtocolSocketInfo::Tcp(tcp) if wanted(tcp) => socket.associated_pids.first().copied(),
        _ => None,
    })?;
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    let arguments: Vec<String> =
        system.process(pid)?.cmd().iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    describe(&arguments)
}
