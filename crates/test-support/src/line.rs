//! The line between a host and its database, which tests cut, stall, reset and slow down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
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
    /// It arrives this much later.
    Delayed(Duration),
    /// Connections end, and no new one is made.
    Cut,
    /// The same, in the middle of whatever is sent: who sends is told that it was thrown away.
    Reset,
}

impl Flow {
    fn is_broken(self) -> bool {
        matches!(self, Self::Cut | Self::Reset)
    }
}

/// When the database's end was last heard of at this one.
#[derive(Clone)]
struct LastHeard {
    began: Instant,
    after_ms: Arc<AtomicU64>,
}

impl LastHeard {
    fn now(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.after_ms.store(passed, Ordering::Release);
    }
}

/// A line of its own: whoever waits on it may block the threads of a test.
pub struct Line {
    /// The database behind it.
    pub url: String,
    flow: watch::Sender<Flow>,
    heard: LastHeard,
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
        let heard = LastHeard { began: Instant::now(), after_ms: Arc::default() };
        listener.set_nonblocking(true).expect("can wait");
        here.set_host(Some("127.0.0.1")).expect("a host");
        here.set_port(Some(listener.local_addr().expect("an address").port())).expect("a port");
        runtime.spawn({
            let heard = heard.clone();
            async move {
                let listener = TcpListener::from_std(listener).expect("listens");
                while let Ok((near, _)) = listener.accept().await {
                    let flow = *flows.borrow();
                    if !flow.is_broken() {
                        tokio::spawn(carry(near, there.clone(), flows.clone(), heard.clone()));
                    } else if flow == Flow::Reset {
                        let _ = near.set_zero_linger();
                    }
                }
            }
        });
        Self { url: here.into(), flow, heard, runtime: Some(runtime) }
    }

    pub fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }

    /// When this end was last given something that the database had sent; to the millisecond, and no later.
    pub fn last_heard(&self) -> Instant {
        self.heard.began + Duration::from_millis(self.heard.after_ms.load(Ordering::Acquire))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn carry(mut near: TcpStream, there: String, mut flows: watch::Receiver<Flow>, heard: LastHeard) {
    let Ok(mut far) = TcpStream::connect(there).await else { return };
    {
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let mut cuts = flows.clone();
        let cut = async {
            let _ = cuts.wait_for(|flow| flow.is_broken()).await;
        };
        tokio::select! {
            () = one_way(near_in, far_out, flows.clone(), || ()) => {}
            () = one_way(far_in, near_out, flows.clone(), || heard.now()) => {}
            () = cut => {}
        }
    }
    if *flows.borrow_and_update() == Flow::Reset {
        let _ = near.set_zero_linger();
        let _ = far.set_zero_linger();
    }
}

async fn one_way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut flows: watch::Receiver<Flow>, arrived: impl Fn()) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let Ok(flow) = flows.wait_for(|flow| *flow != Flow::Stalled).await.map(|flow| *flow) else { return };
        if let Flow::Delayed(by) = flow {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        arrived();
    }
}
