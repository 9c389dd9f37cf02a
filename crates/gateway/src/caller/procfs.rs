//! Linux: /proc says which socket belongs to which process.

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process};

use super::{Ends, describe};

/// The program at the first of the two ends, for each connection.
pub(super) fn programs_of(connections: &[Ends]) -> Vec<Option<String>> {
    let mut table = tcp().unwrap_or_default();
    if connections.iter().any(|(peer, _)| peer.is_ipv6()) {
        table.extend(tcp6().unwrap_or_default());
    }
    // The caller's end is the entry that has our two addresses the other way round.
    let inode = |(peer, local): &Ends| {
        table
            .iter()
            .find(|entry| entry.local_address == *peer && entry.remote_address == *local)
            .map(|entry| entry.inode)
    };
    owners(&connections.iter().map(inode).collect::<Vec<_>>())
}

pub(super) fn listener_on(port: u16) -> Option<String> {
    let listens = |entry: &&TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == port;
    let table = [tcp().unwrap_or_default(), tcp6().unwrap_or_default()].concat();
    let socket = table.iter().find(listens)?;
    owners(&[Some(socket.inode)]).pop().flatten()
}

/// The process that holds each socket. The newest processes first: a caller that is about to
/// end has just started.
fn owners(inodes: &[Option<u64>]) -> Vec<Option<String>> {
    let mut owners = vec![None; inodes.len()];
    let mut left = inodes.iter().flatten().count();
    let mut pids: Vec<i32> = std::fs::read_dir("/proc")
        .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
        .unwrap_or_default();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    for process in pids.into_iter().filter_map(|pid| Process::new(pid).ok()) {
        if left == 0 {
            break;
        }
        let Ok(files) = process.fd() else { continue };
        for file in files.flatten() {
            let FDTarget::Socket(held) = file.target else { continue };
            let Some(at) = inodes.iter().position(|inode| *inode == Some(held)) else { continue };
            owners[at] = process.cmdline().ok().and_then(|arguments| describe(&arguments));
            left = left.saturating_sub(1);
        }
    }
    owners
}
