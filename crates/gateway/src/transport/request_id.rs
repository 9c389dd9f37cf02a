//! Names one call in the gateway's records.

use http::HeaderValue;

/// Names one call in the gateway's records. Kept as the header that tells it, twice a call.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

/// The digits of the run, a dash and the longest number, in bytes.
const LONGEST_ID: usize = 8 + 1 + 20;

impl RequestId {
    pub(crate) fn new(run: &str, call: u64) -> Self {
        // From its end, and not through a formatter: every call gets one.
        let mut text = [b'-'; LONGEST_ID];
        let mut at = LONGEST_ID;
        let mut left = call;
        loop {
            at -= 1;
            text[at] = b"0123456789"[(left % 10) as usize];
            left /= 10;
            if left == 0 {
                break;
            }
        }
        let dash = at - 1;
        let start = dash - run.len();
        text[start..dash].copy_from_slice(run.as_bytes());
        Self(HeaderValue::from_bytes(&text[start..]).unwrap_or_else(|_| HeaderValue::from(call)))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}
