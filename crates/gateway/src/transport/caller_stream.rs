//! The socket of a caller. What hyper itself answers to a head that it can't read becomes a problem like any
//! other, and an answer that came before the end of its request is not lost to a reset.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::connections::SlotState;

/// How long a caller that was answered early may go on sending before its connection is let go of: closed
/// at once, with unread bytes in it, the system would reset it, and the answer could be lost with that.
const LINGER: Duration = Duration::from_secs(2);
/// Reads in a row before others get their turn.
const READS_AT_ONCE: usize = 32;

/// Makes an answer in place of hyper's own, which has this status.
pub(crate) type AnswerUnreadable = Box<dyn FnOnce(u16) -> Vec<u8> + Send>;

pub(crate) struct CallerStream<S> {
    /// In the clear, or encrypted.
    io: TokioIo<S>,
    slot: Arc<SlotState>,
    unreadable: Option<AnswerUnreadable>,
    /// How many calls had begun when all that was answered had left, and none was under way.
    flushed_after: u32,
    /// What is sent in place of hyper's own answer, and how much of it was.
    own: Option<(Vec<u8>, usize)>,
    is_shut: bool,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> CallerStream<S> {
    pub(crate) fn new(stream: S, slot: Arc<SlotState>, unreadable: AnswerUnreadable) -> Self {
        let (io, unreadable) = (TokioIo::new(stream), Some(unreadable));
        Self { io, slot, unreadable, flushed_after: 0, own: None, is_shut: false, lingering: None }
    }

    /// Whether nothing of a call is under way or left to be sent. What is written then comes of no call.
    fn is_between_calls(&self) -> bool {
        self.slot.calls() == (self.flushed_after, self.flushed_after)
    }

    /// Takes what hyper writes of its own accord; tells whether that was it.
    fn takes_over(&mut self, written: &[u8]) -> bool {
        if self.own.is_some() {
            return true;
        }
        if !self.is_between_calls() {
            return false;
        }
        let status =
            written.strip_prefix(b"HTTP/1.").and_then(|rest| str::from_utf8(rest.get(2..5)?).ok()?.parse().ok());
        match (status, self.unreadable.take()) {
            (Some(status), Some(answer)) => {
                self.own = Some((answer(status), 0));
                true
            }
            _ => false,
        }
    }

    fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(self.io.inner_mut())
    }

    fn poll_own(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while let Some((answer, sent)) = &mut self.own {
            if *sent == answer.len() {
                return Poll::Ready(Ok(()));
            }
            *sent += ready!(Pin::new(self.io.inner_mut()).poll_write(context, &answer[*sent..]))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what the caller still sends, for a while, and forgets it.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut forgotten = [0; 16 * 1024];
        for _ in 0..READS_AT_ONCE {
            let mut buffer = ReadBuf::new(&mut forgotten);
            match self.stream().poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let timer = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
                    return timer.as_mut().poll(context);
                }
            }
        }
        if self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER))).as_mut().poll(context).is_ready()
        {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for CallerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for CallerStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.takes_over(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        if parts.first().is_some_and(|first| self.takes_over(first)) {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.poll_own(context))?;
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        let (begun, ended) = self.slot.calls();
        if begun == ended {
            self.flushed_after = begun;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.poll_own(context))?;
        if !self.is_shut {
            ready!(self.stream().poll_shutdown(context))?;
            self.is_shut = true;
        }
        // In a tunnel somebody else reads what still comes.
        if self.slot.is_tunnelled() {
            return Poll::Ready(Ok(()));
        }
        self.poll_linger(context).map(Ok)
    }
}
