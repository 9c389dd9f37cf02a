//! Looks whether the agent runtime is there.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::Core;

pub(super) const EVERY: Duration = Duration::from_mins(1);

/// How long a look at the agent runtime may take.
const LOOK: Duration = Duration::from_secs(5);

/// Looks whether something listens where the agent runtime should be, without calling it.
pub(super) async fn check(core: &Arc<Core>) {
    let url = core.settings.current().runtime_url.as_deref().and_then(|url| url::Url::parse(url).ok());
    let place = url.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = place else { return core.signals.runtime_seen(Ok(())) };
    let host = host.trim_matches(['[', ']']).to_owned();
    let seen = match tokio::time::timeout(LOOK, tokio::net::TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Ok(()),
        // Without its address: diagnostics show this to others.
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    };
    core.signals.runtime_seen(seen);
}
