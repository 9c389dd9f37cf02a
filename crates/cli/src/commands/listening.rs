//! Where `atthene serve` listens, with which certificate, and what is to be said about that.

use std::path::Path;
use std::sync::Arc;

use atthene_core::Core;
use atthene_gateway::{Certificate, HostName, Listening, Workers};

use crate::args::ServeArguments;
use crate::out::Failure;

/// Where it listens.
pub(crate) struct WantedListening {
    pub(crate) listening: Listening,
    certificate: Option<Arc<Certificate>>,
    hosts: Vec<HostName>,
}

impl WantedListening {
    /// As it is wanted, or why that can't be.
    pub(crate) fn of(wanted: &ServeArguments) -> Result<Self, Failure> {
        let wrong = |error: atthene_gateway::ListeningError| Failure::Use(format!("{error}."));
        let workers = Workers::new(wanted.workers).map_err(wrong)?;
        let files = wanted.tls_cert.as_deref().zip(wanted.tls_key.as_deref());
        let load = |(chain, key): (&Path, &Path)| Certificate::load(chain, key).map(Arc::new);
        let certificate = files
            .map(load)
            .transpose()
            .map_err(|error| Failure::Failed(format!("{}.", error.to_string().trim_end_matches('.'))))?;
        let hosts = wanted.host.clone();
        let listening = Listening::on_port(wanted.port)
            .with_workers(workers)
            .beyond(wanted.listen.clone(), hosts.clone(), certificate.clone())
            .map_err(wrong)?;
        Ok(Self { listening, certificate, hosts })
    }

    /// Says what callers will meet that was hardly meant.
    pub(crate) fn warn(&self, core: &Core) {
        if self.listening.is_in_clear() && !core.settings.current().trust_front_proxy {
            let addresses: Vec<String> = self.listening.beyond_loopback().map(|address| address.to_string()).collect();
            tracing::warn!(
                addresses = addresses.join(", "),
                "keys come here in clear text, and whoever is between can read them: give --tls-cert and --tls-key, unless \
                 a service mesh or a proxy encrypts the way (then set trust_front_proxy)"
            );
        }
        self.doubt();
    }

    /// Reads the certificate again. Blocks for a moment.
    pub(crate) fn read_again(&self) {
        let Some(certificate) = &self.certificate else { return };
        match certificate.reload() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(%error, "the certificate could not be read again; the one from before goes on");
            }
        }
        self.doubt();
    }

    fn doubt(&self) {
        let Some(certificate) = &self.certificate else { return };
        for doubt in certificate.doubts(&self.hosts) {
            tracing::warn!("{doubt}");
        }
    }
}
