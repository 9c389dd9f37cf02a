//! Whose gateway answers on a port. Two data folders may be in use on one machine, and whoever takes the
//! port first gets the keys that applications send there. So a gateway proves that it serves this profile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;

use crate::error::Error;
use crate::hex::{hex, unhex};
use crate::use_cases::Core;

/// The header of `/healthz` that names the data folder. A claim: anybody can repeat it.
pub const FOLDER_HEADER: &str = "x-atthene-folder";
/// The header that asks for a proof: up to [`LONGEST_CHALLENGE`] characters of the asker's choice.
pub const CHALLENGE_HEADER: &str = "x-atthene-challenge";
/// The header that answers it, as hexadecimal digits.
pub const PROOF_HEADER: &str = "x-atthene-proof";
/// Characters that a gateway proves itself over.
pub const LONGEST_CHALLENGE: usize = 128;

/// Who answers on a loopback port. Applications reach it under two addresses, IPv4's and IPv6's: where
/// different ones answer, the least known of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortOwner {
    /// Nobody.
    ByNone,
    /// A gateway on this data: it has proved that.
    Here,
    /// The same, which can't read its data any more and refuses every call.
    HereAndLost,
    /// Somebody who says to be a gateway on the data of another folder or account.
    Elsewhere,
    /// A stranger; also one who says to be this gateway and can't prove it.
    ByStranger,
}

/// Longer than a connection within one machine takes, whatever else it does.
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    /// Asks whoever answers on the port to prove who it is. Waits for the answer.
    pub async fn port_owner(&self, port: u16) -> Result<PortOwner, Error> {
        let mut least_known = PortOwner::ByNone;
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            least_known = least_known.max(self.port_owner_at(SocketAddr::new(address, port)).await?);
        }
        Ok(least_known)
    }

    async fn port_owner_at(&self, address: SocketAddr) -> Result<PortOwner, Error> {
        // Let go at once: one that serves a single connection at a time answers the next.
        let is_refused = match tokio::time::timeout(CONNECTED_WITHIN, tokio::net::TcpStream::connect(address)).await {
            Ok(connected) => connected.is_err(),
            Err(_) => false,
        };
        if is_refused {
            return Ok(PortOwner::ByNone);
        }
        let mut random = [0; 32];
        SysRng
            .try_fill_bytes(&mut random)
            .map_err(|error| Error::Internal(format!("no random numbers from the system: {error}")))?;
        let challenge = hex(&random);
        let request = http::Request::get(format!("http://{address}/healthz"))
            .header(CHALLENGE_HEADER, &challenge)
            .body(Vec::new())
            .map_err(|error| Error::Internal(error.to_string()))?;
        let Ok(answer) = self.http.send(request).await else { return Ok(PortOwner::ByStranger) };
        let proof = answer.headers().get(PROOF_HEADER).and_then(|proof| unhex(proof.as_bytes()));
        if proof.is_some_and(|proof| self.profile_secret().accepts(address.port(), challenge.as_bytes(), &proof)) {
            let is_lost = answer.status() == http::StatusCode::SERVICE_UNAVAILABLE;
            return Ok(if is_lost { PortOwner::HereAndLost } else { PortOwner::Here });
        }
        let ours = self.folder_id().as_bytes();
        let claimed = answer.headers().get(FOLDER_HEADER).map(http::HeaderValue::as_bytes);
        Ok(if claimed.is_some_and(|folder| folder != ours) { PortOwner::Elsewhere } else { PortOwner::ByStranger })
    }

    /// Notes what was seen on the port: a stranger there is what needs attention, until somebody looks
    /// again. `who`: the program, where it can be told.
    pub fn saw_on_port(&self, port: u16, owner: PortOwner, who: Option<&str>) {
        let is_stranger = owner >= PortOwner::Elsewhere;
        self.signals.stranger_seen(is_stranger.then(|| (port, who.unwrap_or("Another program").to_owned())));
    }
}
