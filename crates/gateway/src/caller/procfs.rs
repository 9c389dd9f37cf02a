//! Linux: the kernel says which socket a connection has, /proc which process holds it.

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process};

use super::program::{Ends, RunsIn, describe};

/// Processes that are looked at first.
const REMEMBERED: usize = 8;

/// Finds programs, and remembers which it found: most connections are of the same few.
#[derive(Default)]
pub(crate) struct Programs {
    /// The latest first.
    found: Vec<i32>,
}

impl Programs {
    /// The program at the first of the two ends, for each connection.
    pub(crate) fn of(&mut self, connections: &[Ends]) -> Vec<Option<String>> {
        let kernel = kernel();
        let asked = |ends| kernel.as_ref().and_then(|kernel| inode(kernel, ends));
        let mut inodes: Vec<Option<u64>> = connections.iter().map(asked).collect();
        if inodes.contains(&None) {
            look_in_table(connections, &mut inodes);
        }
        let owners = owners(&inodes, &self.found);
        for (pid, _) in owners.iter().flatten() {
            self.found.retain(|found| found != pid);
            self.found.insert(0, *pid);
        }
        self.found.truncate(REMEMBERED);
        owners.into_iter().map(|owner| owner.and_then(|(_, name)| name)).collect()
    }
}

/// Where the kernel answers questions about sockets (`sock_diag(7)`). It answers while it is
/// asked: whatever is not there then will not come.
fn kernel() -> Option<Socket> {
    let socket = Socket::new(NETLINK_SOCK_DIAG).ok()?;
    socket.connect(&SocketAddr::new(0, 0)).ok()?;
    socket.set_non_blocking(true).ok()?;
    Some(socket)
}

/// The caller's socket, asked for alone: the table of all takes the kernel milliseconds.
fn inode(kernel: &Socket, (peer, local): &Ends) -> Option<u64> {
    let request = InetRequest {
        family: if peer.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        // The caller's end has our two addresses the other way round. The cookie stands for any.
        socket_id: SocketId {
            source_port: peer.port(),
            destination_port: local.port(),
            source_address: peer.ip(),
            destination_address: local.ip(),
            interface_id: 0,
            cookie: [0xff; 8],
        },
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    kernel.send(&bytes, 0).ok()?;
    let (answer, _) = kernel.recv_from_full().ok()?;
    match NetlinkMessage::deserialize(&answer).ok()?.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => Some(response.header.inode.into()),
        _ => None,
    }
}

/// Fills in what a kernel without `sock_diag` did not say.
fn look_in_table(connections: &[Ends], inodes: &mut [Option<u64>]) {
    let mut table = tcp().unwrap_or_default();
    if connections.iter().any(|(peer, _)| peer.is_ipv6()) {
        table.extend(tcp6().unwrap_or_default());
    }
    for ((peer, local), inode) in connections.iter().zip(inodes) {
        let held = |entry: &&TcpNetEntry| entry.local_address == *peer && entry.remote_address == *local;
        *inode = inode.or_else(|| table.iter().find(held).map(|entry| entry.inode));
    }
}

pub(super) fn listener_on(port: u16) -> Option<String> {
    let listens = |entry: &&TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == port;
    let table = [tcp().unwrap_or_default(), tcp6().unwrap_or_default()].concat();
    let socket = table.iter().find(listens)?;
    let (_, name) = owners(&[Some(socket.inode)], &[]).pop().flatten()?;
    name
}

/// The newest process of that name whose folder this account may see.
pub(super) fn running_as(name: &str) -> Option<RunsIn> {
    newest().filter_map(|pid| Process::new(pid).ok()).find_map(|process| {
        let named = process.cmdline().ok().and_then(|line| describe(&line))?;
        let folder = if named == name { process.cwd().ok()? } else { return None };
        Some(RunsIn { process: process.pid, folder })
    })
}

/// The process that holds each socket, and its name. First those that are known, then the
/// newest: a caller that is about to end has just started.
fn owners(inodes: &[Option<u64>], known: &[i32]) -> Vec<Option<(i32, Option<String>)>> {
    let mut owners = vec![None; inodes.len()];
    let mut left = inodes.iter().flatten().count();
    let others = newest().filter(|pid| !known.contains(pid));
    for process in known.iter().copied().chain(others).filter_map(|pid| Process::new(pid).ok()) {
        let Ok(files) = process.fd() else { continue };
        let mut name = None;
        for file in files.flatten() {
            if left == 0 {
                return owners;
            }
            let FDTarget::Socket(held) = file.target else { continue };
            let Some(at) = inodes.iter().position(|inode| *inode == Some(held)) else { continue };
            // A socket that several hold is the first one's.
            if owners[at].is_none() {
                let name = name.get_or_insert_with(|| process.cmdline().ok().and_then(|line| describe(&line)));
                owners[at] = Some((process.pid, name.clone()));
                left -= 1;
            }
        }
    }
    owners
}

/// All processes, the newest first; read when the first is asked for.
fn newest() -> impl Iterator<Item = i32> {
    std::iter::once_with(|| {
        let mut pids: Vec<i32> = std::fs::read_dir("/proc")
            .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
            .unwrap_or_default();
        pids.sort_unstable_by(|a, b| b.cmp(a));
        pids
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_running_program_is_found_by_its_name_with_its_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let program = dir.path().join("order-import-test");
        std::fs::copy("/bin/sleep", &program).expect("copied");
        assert_eq!(running_as("order-import-test"), None);
        let mut child = Command::new(&program).arg("60").current_dir(dir.path()).spawn().expect("starts");
        let found = std::iter::repeat_with(|| running_as("order-import-test")).take(1000).find_map(|found| found);
        let found = found.expect("it runs");
        child.kill().and_then(|()| child.wait()).expect("ends");
        assert_eq!(found.process, i32::try_from(child.id()).expect("a small number"));
        assert_eq!(found.folder, dir.path().canonicalize().expect("there"));
    }
}
