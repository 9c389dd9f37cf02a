//! A call that changes the protocol (RFC 9110, 7.8), such as a WebSocket: once the agent runtime agrees, bytes go
//! back and forth until either side ends. It is counted, and stopped, like any other call.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::{Either, select};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::call::CallContext;
use super::connections::Tunnel;

/// The one protocol that is passed on.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

fn names_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// How long one side may go on when the other has ended.
const OTHER_SIDE: Duration = Duration::from_secs(10);

/// A caller that wants to go on in another protocol.
pub(super) struct UpgradeRequest(OnUpgrade);

impl UpgradeRequest {
    /// Taken from the head of a call before its headers are cleaned.
    pub(super) fn of(head: &Parts, call: &CallContext) -> Option<Self> {
        if !names_websocket(&head.headers) {
            return None;
        }
        call.connection().slot.take_upgrade().map(Self)
    }

    /// Puts back what speaks of one connection only: here, of both.
    pub(super) fn mark(headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, WEBSOCKET);
    }

    /// What is to go on over the caller's connection where the answer agrees to that.
    pub(super) fn meet(self, answer: &mut Response<Incoming>, call: &CallContext) -> Option<Tunnel> {
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            call.connection().slot.keep_upgrade(self.0);
            return None;
        }
        let upstream = hyper::upgrade::on(&mut *answer);
        let (call, caller) = (call.clone(), self.0);
        Some(Box::pin(async move {
            let Ok((caller, upstream)) = tokio::try_join!(caller, upstream) else { return };
            // Either side may end it at any time; that is no error of ours.
            let (from_caller, to_caller) = tokio::io::split(Counted { stream: TokioIo::new(caller), call });
            let (from_upstream, to_upstream) = tokio::io::split(TokioIo::new(upstream));
            let (up, down) = (pin!(pass(from_caller, to_upstream)), pin!(pass(from_upstream, to_caller)));
            match select(up, down).await {
                Either::Left(((), other)) => drop(tokio::time::timeout(OTHER_SIDE, other).await),
                Either::Right(((), other)) => drop(tokio::time::timeout(OTHER_SIDE, other).await),
            }
        }))
    }
}

/// Whether the answer changes the protocol to one that was asked for.
pub(super) fn agrees(answer: &Response<Incoming>) -> bool {
    names_websocket(answer.headers())
}

/// Passes bytes on until there are no more, or nobody takes them.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// The caller's side, whose bytes are counted.
struct Counted {
    stream: TokioIo<Upgraded>,
    call: CallContext,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.call.add_bytes_in(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.call.add_bytes_out(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
