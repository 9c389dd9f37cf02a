//! The line between a host and its database, which tests cut and stall.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use url::Url;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It arrives.
    Open,
    /// It arrives once the line is open again, and nobody is told.
    Stalled,
    /// Connections end, and no new one is made.
    Cut,
}

/// A line of its own: whoever waits on it may block the threads of a test.
pub struct Line {
    /// The database behind it.
    pub url: String,
    flow: watch::Sender<Flow>,
    runtime: Option<Runtime>,
}

impl Line {
    /// An open line to the database at this URL.
    pub fn to(url: &str) -> Self {
        Self::from(std::net::TcpListener::bind("127.0.0.1:0").expect("a port"), url)
    }

    /// The same from where this listens.
    pub fn from(listener: std::net::TcpListener, url: &str) -> Self {
        let mut here = Url::parse(url).expect("a URL");
        let there = format!("{}:{}", here.host_str().expect("a host"), here.port().unwrap_or(5432));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (flow, flows) = watch::channel(Flow::Open);
        listener.set_nonblocking(true).expect("can wait");
        here.set_host(Some("127.0.0.1")).expect("a host");
        here.set_port(Some(listener.local_addr().expect("an address").port())).expect("a port");
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("listens");
            while let Ok((near, _)) = listener.accept().await {
                if *flows.borrow() != Flow::Cut {
                    tokio::spawn(carry(near, there.clone(), flows.clone()));
                }
            }
        });
        Self { url: here.into(), flow, runtime: Some(runtime) }
    }

    pub fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn carry(near: TcpStream, there: String, flows: watch::Receiver<Flow>) {
    let Ok(far) = TcpStream::connect(there).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let mut cuts = flows.clone();
    let cut = async {
        let _ = cuts.wait_for(|flow| *flow == Flow::Cut).await;
    };
    tokio::select! {
        () = one_way(near_in, far_out, flows.clone()) => {}
        () = one_way(far_in, near_out, flows) => {}
        () = cut => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flows: watch::Receiver<Flow>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if flows.wait_for(|flow| *flow != Flow::Stalled).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
