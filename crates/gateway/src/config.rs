//! What calls are served with: the settings, and what the keychain holds for them.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::Settings;
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::problem::{Callee, Problem};
use crate::shared::{Config, Shared};
use crate::transport::body::MIB;
use crate::transport::forward::Runtime;

/// How soon a credential that could not be had is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Keeps what calls are served with true to the settings and the keychain.
pub(crate) async fn keep_config(shared: Arc<Shared>, reload: Arc<Notify>) {
    let mut before = None;
    loop {
        let settings = shared.core.settings.current();
        let mut config = Config::of(&shared);
        let of = Some((settings.runtime_url.clone(), shared.core.settings.credential_writing()));
        if std::mem::replace(&mut before, of.clone()) != of {
            // What was called with until now is not to be used any more; calls wait for what comes instead.
            shared.set_config(config.clone());
        }
        if config.is_loading
            && let Some(url) = settings.runtime_url.as_deref()
        {
            config.runtime = Some(match shared.core.runtime_credential().await {
                Ok(credential) => shared.runtime(&settings, url, credential.as_ref()),
                Err(error) => Err(Problem::CredentialUnavailable(error.to_string())),
            });
            config.is_loading = false;
        }
        let unavailable = matches!(config.runtime, Some(Err(Problem::CredentialUnavailable(_))));
        shared.set_config(config);
        if unavailable {
            let _ = tokio::time::timeout(ASK_AGAIN, reload.notified()).await;
        } else {
            reload.notified().await;
        }
    }
}

impl Config {
    /// What the settings of this profile alone say.
    pub(crate) fn of(shared: &Shared) -> Self {
        let settings = shared.core.settings.current();
        let is_loading = shared.core.settings.has_runtime_credential();
        let runtime = settings.runtime_url.as_deref().map(|url| {
            if is_loading {
                return Err(Problem::CredentialUnavailable("The keychain has not answered yet.".into()));
            }
            shared.runtime(&settings, url, None)
        });
        Self {
            largest_body: u64::from(settings.largest_body_mib) * MIB,
            is_loading: is_loading && runtime.is_some(),
            runtime,
        }
    }
}

impl Shared {
    fn runtime(&self, settings: &Settings, url: &str, credential: Option<&SecretString>) -> Result<Runtime, Problem> {
        let runtime = Runtime::new(Callee::Runtime, url, credential).ok_or(Problem::RUNTIME_UNUSABLE)?;
        Ok(runtime.trusting_front_proxy(settings.trust_front_proxy).marking(self.hop()))
    }
}
