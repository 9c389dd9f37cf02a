//! Calls to others over HTTP. No redirect is followed, everything has a limit; proxies and certificates are
//! the system's.

use std::pin::Pin;

/// What an answer is waited for with.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("there is no connection to {host}: {reason}")]
    Unreachable {
        /// The host that was asked.
        host: String,
        reason: String,
    },
    #[error("no answer came from {0} in time")]
    Timeout(String),
    /// Its certificate is not trusted by this machine.
    #[error("the certificate of {host} is not trusted: {reason}")]
    Certificate {
        /// The host that was asked.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It sent the call elsewhere. Following it could hand a secret to another host.
    #[error("the address at {0} redirects to another one, and redirects are not followed")]
    Redirect(String),
    /// More than an answer of this kind can be.
    #[error("the answer of {host} is larger than {} KiB", limit / 1024)]
    TooLarge {
        host: String,
        /// In bytes.
        limit: usize,
    },
}

/// In bytes. Discovery documents and token answers are a few KiB.
pub const LARGEST_ANSWER: usize = 1024 * 1024;

/// Takes the next bytes of an answer and adds to what is kept of it; `false`: it is too large.
pub type Keep<'a> = Box<dyn FnMut(&[u8], &mut Vec<u8>) -> bool + Send + 'a>;

/// Calls whose whole answer is small.
pub trait Http: Send + Sync {
    /// Sends the call and reads its whole answer.
    fn send(&self, request: http::Request<Vec<u8>>) -> Later<'_, Result<http::Response<Vec<u8>>, NetworkError>> {
        self.send_up_to(request, LARGEST_ANSWER)
    }

    /// The same with another limit for the answer, in bytes.
    fn send_up_to(
        &self,
        request: http::Request<Vec<u8>>,
        limit: usize,
    ) -> Later<'_, Result<http::Response<Vec<u8>>, NetworkError>> {
        let all = |part: &[u8], kept: &mut Vec<u8>| {
            kept.extend_from_slice(part);
            true
        };
        self.send_and_keep(request, limit, Box::new(all))
    }

    /// The same, of whose answer no more is held than what `keep` leaves.
    fn send_and_keep<'a>(
        &'a self,
        request: http::Request<Vec<u8>>,
        limit: usize,
        keep: Keep<'a>,
    ) -> Later<'a, Result<http::Response<Vec<u8>>, NetworkError>>;

    /// The proxy that calls to this address go through, without its password; `None`: they go straight.
    fn proxy_to(&self, _url: &str) -> Option<String> {
        None
    }

    /// Asks with GET. An address that is none asks nobody, and is told as unreachable.
    fn get(&self, url: &str) -> Later<'_, Result<http::Response<Vec<u8>>, NetworkError>> {
        let request = http::Request::get(url).header(http::header::ACCEPT, "application/json").body(Vec::new());
        match request {
            Ok(request) => self.send(request),
            Err(error) => {
                let (host, reason) = (url.to_owned(), error.to_string());
                Box::pin(std::future::ready(Err(NetworkError::Unreachable { host, reason })))
            }
        }
    }
}
