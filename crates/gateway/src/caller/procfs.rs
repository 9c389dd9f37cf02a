//! Linux: /proc says which socket belongs to which process.

use std::net::SocketAddr;

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process};

use super::describe;

pub(super) fn program_of(peer: SocketAddr, local: SocketAddr) -> Option<String> {
    // The caller's end is the entry that has our two addresses the other way round.
    let theirs = |entry: &TcpNetEntry| entry.local_address == peer && entry.remote_address == local;
    owner(socket(peer.is_ipv6(), theirs)?)
}

pub(super) fn listener_on(port: u16) -> Option<String> {
    let listens = |entry: &TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == port;
    owner(socket(false, listens).or_else(|| socket(true, listens))?)
}

fn socket(v6: bool, wanted: impl Fn(&TcpNetEntry) -> bool) -> Option<u64> {
    let entries = if v6 { tcp6() } else { tcp() }.ok()?;
    entries.into_iter().find(wanted).map(|entry| entry.inode)
}

/// The process that holds the socket. The newest processes first: a caller that is about to
/// end has just started.
fn owner(inode: u64) -> Option<String> {
    let mut pids: Vec<i32> =
        std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    let holds = |process: &Process| {
        process
            .fd()
            .is_ok_and(|fds| fds.flatten().any(|fd| matches!(fd.target, FDTarget::Socket(held) if held == inode)))
    };
    let process = pids.into_iter().filter_map(|pid| Process::new(pid).ok()).find(holds)?;
    process.cmdline().ok().and_then(|arguments| describe(&arguments))
}
