//! Stands in for the gateway while the rows of a shared profile can't be had at the start: alive, and refusing every call
//! with the reason, so that callers and whoever watches are told what is wrong.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use rand::distr::{Alphanumeric, SampleString};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::problem::Problem;

/// Letters of a request id: nothing of these calls is kept, so that it only tells two of them apart.
const ID_LENGTH: usize = 16;

/// Answers on this port of loopback, with the reason of the moment, until it is dropped.
///
/// # Errors
/// The port can't be had.
pub async fn refuse_meanwhile(port: u16, reason: watch::Receiver<String>) -> std::io::Result<()> {
    let router = Router::new().route("/healthz", get(async || "ok")).fallback(refused).with_state(reason);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let Ok(second) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await else {
        return axum::serve(listener, router).await;
    };
    tokio::try_join!(axum::serve(listener, router.clone()).into_future(), axum::serve(second, router).into_future())
        .map(drop)
}

async fn refused(State(reason): State<watch::Receiver<String>>) -> Response {
    let id = Alphanumeric.sample_string(&mut rand::rng(), ID_LENGTH);
    let reason = reason.borrow().clone();
    Problem::StoreUnavailable(reason).respond(&id)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn answer(port: u16, line: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        let call = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(call.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        answer
    }

    #[tokio::test]
    async fn it_is_alive_and_tells_every_caller_why_it_refuses() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let (why, reason) = watch::channel("The database is away: nobody answers.".to_owned());
        let serving = tokio::spawn(refuse_meanwhile(port, reason));
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(answer(port, "GET /healthz").await.starts_with("HTTP/1.1 200"));
        for line in ["POST /api/amas/conversations/execute", "GET /readyz", "POST /mcp", "GET /nonsense"] {
            let refused = answer(port, line).await;
            assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("\"store_unavailable\""), "{refused}");
            assert!(refused.contains("nobody answers"), "{refused}");
        }
        why.send_replace("Another reason.".into());
        assert!(answer(port, "GET /readyz").await.contains("Another reason."));
        serving.abort();
    }
}
