//! Connections that are encrypted: to whom the system's certificates vouch for, and to nobody else.

use std::process::Command;
use std::sync::Arc;

use atthene_core::Host;
use atthene_test_support::{databases, postgres_only};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::fleet::Fleet;

const CHILD: &str = "ATTHENE_TEST_CHILD";

/// What PostgreSQL answers to one who asks for encryption, and does then.
async fn encrypt(mut client: TcpStream, tls: TlsAcceptor, to: String) -> std::io::Result<()> {
    let mut asked = [0; 8];
    client.read_exact(&mut asked).await?;
    client.write_all(b"S").await?;
    let mut client = tls.accept(client).await?;
    let mut server = TcpStream::connect(to).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Not a test of its own: the process that trusts what the next test says.
#[test]
fn child_that_opens_over_tls() {
    let Some(url) = std::env::var_os(CHILD) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::of(folder.path(), "host").expect("a host");
    match databases::open_as(url.to_str().expect("text"), folder.path(), &host) {
        Ok(_) => println!("\nopened"),
        Err(error) => println!("\n{error}"),
    }
}

#[test]
fn a_certificate_is_checked_against_those_that_the_system_trusts() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let server = databases::server().expect("a server");
    let address = server.rsplit(['@', '/']).next().expect("an address").to_owned();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key))
        .expect("a server");
    let tls = TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let to = address.clone();
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(encrypt(client, tls.clone(), to.clone()));
        }
    });

    let folder = tempfile::tempdir().expect("a folder");
    let certificate = folder.path().join("trusted.pem");
    std::fs::write(&certificate, own.cert.pem()).expect("written");
    let opens = |name: &str, is_trusted: bool| {
        let url = fleet.url.replace(&address, &format!("{name}:{port}"));
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["tls::child_that_opens_over_tls", "--nocapture", "--exact"]);
        child.env(CHILD, format!("{url}?sslmode=verify-full"));
        if is_trusted {
            child.env("SSL_CERT_FILE", &certificate);
        }
        String::from_utf8_lossy(&child.output().expect("ends").stdout).into_owned()
    };
    let trusted = opens("localhost", true);
    assert!(trusted.contains("\nopened"), "{trusted}");
    for (name, is_trusted) in [("localhost", false), ("127.0.0.1", true)] {
        let said = opens(name, is_trusted);
        assert!(said.contains("can't be reached") && said.contains("certificate"), "{name}: {said}");
    }
}
