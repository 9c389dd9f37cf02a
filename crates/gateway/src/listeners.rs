//! The sockets that callers come to, and what serves them until they are given back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use atthene_core::oversight::Serving;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::listening::{Listening, takes};
use crate::server;
use crate::shared::Shared;

/// Listeners, as many for each worker.
pub(crate) struct Listeners(Vec<Vec<TcpListener>>);

/// Binds the port on loopback, in both versions of IP, where nothing else that we listen on takes that.
pub(crate) async fn bind_loopback(port: u16, listening: &Listening, workers: &[Handle]) -> io::Result<Listeners> {
    let [first, second] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut bound = Listeners(workers.iter().map(|_| Vec::new()).collect());
    for ip in [first, second] {
        let address = SocketAddr::new(ip, port);
        match bind(address, workers).await {
            Ok(listeners) => bound.add(listeners),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && listening.covers(address) => {}
            Err(error) if ip == first || error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            // A machine without IPv6 is served over IPv4.
            Err(_) => {}
        }
    }
    Ok(bound)
}

/// Binds the other addresses that were named. An error names the address.
pub(crate) async fn bind_named(listening: &Listening, workers: &[Handle]) -> io::Result<Listeners> {
    let mut bound = Listeners(workers.iter().map(|_| Vec::new()).collect());
    for (before, address) in listening.addresses().iter().enumerate() {
        match bind(*address, workers).await {
            Ok(listeners) => bound.add(listeners),
            // Those for every address come first.
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && listening.addresses()[..before].iter().any(|own| takes(*own, *address)) => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{address}: {error}"))),
        }
    }
    Ok(bound)
}

impl Listeners {
    fn add(&mut self, listeners: Vec<TcpListener>) {
        for (own, listener) in self.0.iter_mut().zip(listeners) {
            own.push(listener);
        }
    }
}

/// One listener of the address for each worker.
async fn bind(address: SocketAddr, workers: &[Handle]) -> io::Result<Vec<TcpListener>> {
    match workers {
        [] | [_] => Ok(vec![TcpListener::bind(address).await?]),
        [_, others @ ..] => share(address, others).await,
    }
}

/// How many connections the system may hold for a listener.
#[cfg(target_os = "linux")]
const BACKLOG: u32 = 1024;

/// The system spreads connections over the sockets of one port. The first is bound for itself alone, so that what
/// another process has is not shared with it, and opened to the others only then.
#[cfg(target_os = "linux")]
async fn share(address: SocketAddr, others: &[Handle]) -> io::Result<Vec<TcpListener>> {
    use tokio::net::TcpSocket;
    let socket = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        Ok::<_, io::Error>(socket)
    };
    let first = socket()?;
    first.bind(address)?;
    first.set_reuseport(true)?;
    let mut bound = Vec::new();
    for _ in others {
        let other = socket()?;
        other.set_reuseport(true)?;
        other.bind(address)?;
        bound.push(other);
    }
    let mut listeners = vec![first.listen(BACKLOG)?];
    for (socket, worker) in bound.into_iter().zip(others) {
        // Each is known to the runtime that looks after it.
        let listener = worker.spawn(async move { socket.listen(BACKLOG) }).await.map_err(io::Error::other)??;
        listeners.push(listener);
    }
    Ok(listeners)
}

#[cfg(not(target_os = "linux"))]
async fn share(_: SocketAddr, _: &[Handle]) -> io::Result<Vec<TcpListener>> {
    // `Workers` has refused it before.
    Err(io::ErrorKind::Unsupported.into())
}

/// What serves some listeners.
pub(crate) struct ListeningTask {
    /// That of loopback; `None`: the named addresses.
    pub(crate) port: Option<u16>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Tells the command which port that is.
    _told: Option<Serving>,
}

impl ListeningTask {
    pub(crate) fn start(
        port: Option<u16>,
        bound: Listeners,
        workers: &[Handle],
        shared: &Arc<Shared>,
        router: &axum::Router,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let serve = |(number, (listeners, worker)): (usize, (Vec<TcpListener>, &Handle))| {
            worker.spawn(server::serve(listeners, number, shared.clone(), router.clone(), stopped.clone()))
        };
        let tasks = bound.0.into_iter().zip(workers).enumerate().map(serve).collect();
        Self { port, stop, tasks, _told: port.and_then(|port| shared.core.serving(port)) }
    }

    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}
