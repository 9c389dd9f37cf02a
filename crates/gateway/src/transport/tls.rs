//! TLS on connections from other machines, with the certificate of whoever runs the gateway.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use atthene_core::private_file::refuse_readable_by_others;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::hosts::HostName;

/// A certificate with its key, from two files that are read again when they were renewed.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    served: RwLock<Served>,
}

/// What is served now.
struct Served {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
}

/// Why nothing can be encrypted with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    #[error("{} can't be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{} holds no certificate in PEM (-----BEGIN CERTIFICATE-----). Give the chain, the gateway's own first", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM that is not encrypted (PKCS#8, SEC1 or RSA)", .0.display())]
    NoKey(PathBuf),
    #[error("The key in {} is not that of the first certificate in {}. Give the two that belong together", key.display(), chain.display())]
    Mismatch { chain: PathBuf, key: PathBuf },
    #[error("The certificate in {} can't be used: {error}", path.display())]
    Unusable { path: PathBuf, error: rustls::Error },
}

/// What callers will refuse of a certificate that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateDoubt {
    Expired,
    NotYetValid,
    /// It is not for this name, which the gateway answers to.
    Lacks(HostName),
}

impl std::fmt::Display for CertificateDoubt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expired => out.write_str("the certificate has expired, so callers refuse it: renew it"),
            Self::NotYetValid => out
                .write_str("the certificate is not valid yet, so callers refuse it: look at the clock of this machine"),
            Self::Lacks(host) => {
                write!(out, "the certificate is not for {host}, so who calls that refuses it: get one with this name")
            }
        }
    }
}

impl Certificate {
    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// Also where other accounts may read the key.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, TlsFilesError> {
        let served = read(chain, key)?;
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), served: RwLock::new(served) })
    }

    /// Reads them again, for connections that come from now on. Blocks. After an error the certificate from before
    /// goes on.
    pub fn reload(&self) -> Result<(), TlsFilesError> {
        let served = read(&self.chain, &self.key)?;
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = served;
        Ok(())
    }

    /// What callers under these names will refuse now of what is served.
    pub fn doubts(&self, hosts: &[HostName]) -> Vec<CertificateDoubt> {
        doubts(&self.served.read().unwrap_or_else(PoisonError::into_inner).chain, hosts, UnixTime::now())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.served.read().unwrap_or_else(PoisonError::into_inner).config.clone().into()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(chain: &Path, key: &Path) -> Result<Served, TlsFilesError> {
    let unusable = |error| TlsFilesError::Unusable { path: chain.to_owned(), error };
    let certificates = certificates(chain)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates.clone(), private_key(key)?)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsFilesError::Mismatch { chain: chain.to_owned(), key: key.to_owned() }
            }
            error => unusable(error),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Served { config: Arc::new(config), chain: certificates })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let pem = std::fs::read(path).map_err(|error| TlsFilesError::Unreadable { path: path.to_owned(), error })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| TlsFilesError::NoCertificate(path.to_owned()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFilesError> {
    let mut pem = secrecy::zeroize::Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|mut file| {
        refuse_readable_by_others(&file, path)?;
        file.read_to_end(&mut pem)
    });
    read.map_err(|error| TlsFilesError::Unreadable { path: path.to_owned(), error })?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsFilesError::NoKey(path.to_owned()))
}

fn doubts(chain: &[CertificateDer<'static>], hosts: &[HostName], now: UnixTime) -> Vec<CertificateDoubt> {
    let Some(parsed) = chain.first().and_then(|own| ParsedCertificate::try_from(own).ok()) else { return Vec::new() };
    // Its times are looked at before who has signed it; that is the callers' to judge, so nobody is trusted here.
    let algorithms = provider().signature_verification_algorithms.all;
    let judged = verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, algorithms);
    let mut doubts = match judged {
        Err(rustls::Error::InvalidCertificate(
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
        )) => vec![CertificateDoubt::Expired],
        Err(rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidYet | rustls::CertificateError::NotValidYetContext { .. },
        )) => vec![CertificateDoubt::NotYetValid],
        _ => Vec::new(),
    };
    for host in hosts {
        let is_for =
            ServerName::try_from(host.to_string()).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
        if !is_for {
            doubts.push(CertificateDoubt::Lacks(host.clone()));
        }
    }
    doubts
}

/// The first byte of a handshake (RFC 8446, 5.1). No request in plain HTTP begins with it.
const HANDSHAKE: u8 = 22;

/// How a connection began.
pub(crate) enum Beginning {
    Encrypted(Box<TlsStream<TcpStream>>),
    /// Its caller speaks plain HTTP, and can be told so.
    Plain(TcpStream),
    /// There is nobody to speak to.
    Nothing,
}

/// Does the handshake. Whoever does not end it is cut like whoever does not end a head.
pub(crate) async fn begin(acceptor: TlsAcceptor, stream: TcpStream) -> Beginning {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first[0] != HANDSHAKE => Beginning::Plain(stream),
        Ok(1..) => match acceptor.accept(stream).await {
            Ok(stream) => Beginning::Encrypted(Box::new(stream)),
            Err(error) => {
                // A port scan, a caller that does not trust the certificate: daily bread of an open address.
                tracing::debug!(%error, "a caller could not begin TLS");
                Beginning::Nothing
            }
        },
        _ => Beginning::Nothing,
    }
}
