//! The body of a call on its way through.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use tokio::time::Sleep;
use tower::BoxError;

use crate::problem::Problem;
use crate::transport::call::CallContext;

pub(crate) const MIB: u64 = 1024 * 1024;

/// The body of a call: as it arrives, or as a route passes it on.
pub(crate) type Inbound = Either<Incoming, Body>;

/// Why a body did not come through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {0} MiB")]
    TooLarge(u64),
    #[error("the body stopped arriving")]
    Paused,
    #[error(transparent)]
    Broken(BoxError),
}

impl From<&BodyError> for Problem {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::TooLarge(mib) => Self::BodyTooLarge(*mib),
            BodyError::Paused => Self::BodyTimeout,
            BodyError::Broken(_) => Self::BadRequest("The body broke off before its end."),
        }
    }
}

/// A request's body on its way through: counted, limited in size and in the pause between
/// two parts.
pub(crate) struct Limited {
    body: Inbound,
    largest: u64,
    left: u64,
    pause: Duration,
    /// Set up at the first wait: most bodies arrive with their head.
    deadline: Option<Pin<Box<Sleep>>>,
    call: CallContext,
    /// Whether its bytes were counted before.
    is_counted: bool,
}

impl Limited {
    /// A body that came through whole before, for a call that is sent a second time.
    pub(crate) fn kept(bytes: Bytes, pause: Duration, call: CallContext) -> Self {
        let largest = bytes.len() as u64;
        Self { is_counted: true, ..Self::new(Either::Right(Body::from(bytes)), largest, pause, call) }
    }

    pub(crate) fn new(body: Inbound, largest: u64, pause: Duration, call: CallContext) -> Self {
        Self { body, largest, left: largest, pause, deadline: None, call, is_counted: false }
    }
}

/// Bodies that are kept to be sent a second time, in bytes.
const LARGEST_KEPT: u64 = 64 * 1024;

/// A body for a call that may have to be sent a second time.
pub(crate) struct Resent {
    /// Too large to be kept, or of unknown length: it can be sent once.
    once: Option<Limited>,
    bytes: Bytes,
    pause: Duration,
    call: CallContext,
}

impl Resent {
    /// Whether it can be sent again.
    pub(crate) fn is_kept(&self) -> bool {
        self.once.is_none()
    }

    /// The body for the next try.
    pub(crate) fn next(&mut self) -> Limited {
        let kept = || Limited::kept(self.bytes.clone(), self.pause, self.call.clone());
        self.once.take().unwrap_or_else(kept)
    }
}

impl Limited {
    /// Reads it where it is none, or little enough to be kept.
    pub(crate) async fn keep(self) -> Result<Resent, Problem> {
        let (pause, call) = (self.pause, self.call.clone());
        if http_body::Body::size_hint(&self).exact().is_none_or(|size| size > LARGEST_KEPT) {
            return Ok(Resent { once: Some(self), bytes: Bytes::new(), pause, call });
        }
        let bytes = self.collect().await.map_err(|error| Problem::from(&error))?.to_bytes();
        Ok(Resent { once: None, bytes, pause, call })
    }

    /// Whether it is announced to be larger than it may be.
    pub(crate) fn check_size(&self) -> Result<(), Problem> {
        if http_body::Body::size_hint(self).lower() > self.largest {
            return Err(Problem::BodyTooLarge(self.largest / MIB));
        }
        Ok(())
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Pending => {
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.pause)));
                match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::Paused))),
                    Poll::Pending => Poll::Pending,
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.deadline = None;
                if let Some(data) = frame.data_ref() {
                    let Some(left) = this.left.checked_sub(data.len() as u64) else {
                        return Poll::Ready(Some(Err(BodyError::TooLarge(this.largest / MIB))));
                    };
                    this.left = left;
                    if !this.is_counted {
                        this.call.add_bytes_in(data.len());
                    }
                    this.call.part_sent();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
