//! `atthene serve` beyond loopback, over the real binary.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;

use atthene_test_cluster::ports;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const NAME: &str = "agents.contoso.example";

fn atthene(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atthene"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", folder)
        .env("ATTHENE_DATA_DIR", folder.join("data"))
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Where other machines reach this one.
fn own_address() -> SocketAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("198.51.100.1:9").expect("a way out of this machine");
    SocketAddr::new(socket.local_addr().expect("an address").ip(), ports::free())
}

/// A service that serves, until it is dropped.
struct Serving {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Serving {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let port = ports::free().to_string();
        let arguments = [&["serve", "--json", "--port", &port], arguments].concat();
        let mut child = atthene(folder, &arguments).env("RUST_LOG", "info").spawn().expect("starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut url).expect("reads");
        assert!(url.contains(&port), "{url}");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, log }
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("runs");
        assert!(done.success());
    }

    /// Reads its log up to a line with these words.
    fn wait_for(&mut self, words: &str) -> String {
        let mut read = String::new();
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).expect("reads") > 0, "it ended before {words:?}: {read}");
            read.push_str(&line);
            if line.contains(words) {
                return read;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A certificate for the name, in two files of the folder.
fn renew(folder: &Path, name: &str) -> (PathBuf, PathBuf, CertificateDer<'static>) {
    let own = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, own.cert.pem()).expect("written");
    std::fs::write(&key, own.signing_key.serialize_pem()).expect("written");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    (chain, key, own.cert.der().clone())
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).expect("a name");
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("set");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream)
}

/// The status of a call on the connection, which stays open.
fn ready(stream: &mut (impl Read + Write)) -> std::io::Result<String> {
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nhost: {NAME}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"ready") {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        answer.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[test]
fn what_nobody_could_call_or_nobody_should_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = |arguments: &[&str]| {
        let done = atthene(folder.path(), &[&["serve"], arguments].concat()).output().expect("runs");
        (done.status.code().unwrap_or_default(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, said) = told(&["--listen", "0.0.0.0:8765"]);
    assert_eq!(code, 2);
    assert!(said.contains("Nobody could call 0.0.0.0:8765") && said.contains("--host NAME"), "{said}");
    for (arguments, words) in [
        (&["--listen", "10.0.0.5:8765", "--host", "*.contoso.example"][..], "pattern"),
        (&["--listen", "10.0.0.5:8765", "--host", "a.example:80"], "holds a port"),
        (&["--listen", "10.0.0.5", "--host", NAME], "invalid socket address"),
        (&["--listen", "10.0.0.5:0", "--host", NAME], "names no port"),
        (&["--workers", "0"], "1..=64"),
        (&["--workers", "65"], "1..=64"),
        (&["--tls-cert", "/none", "--tls-key", "/none"], "--listen"),
    ] {
        let (code, said) = told(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let (chain, key, _) = renew(folder.path(), NAME);
    let files = [chain.to_str().expect("text"), key.to_str().expect("text")];
    let (code, said) = told(&["--listen", "127.0.0.1:8799", "--tls-cert", files[0], "--tls-key", files[1]]);
    assert!(code == 2 && said.contains("would serve nobody"), "{said}");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("set");
    let open = ["--listen", "10.0.0.5:8799", "--host", NAME, "--tls-cert", files[0], "--tls-key", files[1]];
    let (code, said) = told(&open);
    assert!(code == 1 && said.contains("other accounts may read it"), "{said}");
}

#[test]
fn at_sighup_the_renewed_certificate_is_served_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = own_address();
    let (chain, key, first) = renew(folder.path(), NAME);
    let [chain, key] = [chain, key].map(|path| path.to_str().expect("text").to_owned());
    let listen = address.to_string();
    let arguments = ["--listen", &listen, "--host", NAME, "--tls-cert", &chain, "--tls-key", &key];
    let mut serving = Serving::start(folder.path(), &arguments);
    let mut old = connect(address, &first);
    assert_eq!(ready(&mut old).expect("an answer"), "HTTP/1.1 200 OK");

    let (_, _, second) = renew(folder.path(), NAME);
    serving.signal("HUP");
    serving.wait_for("the certificate was read again");
    assert_eq!(ready(&mut connect(address, &second)).expect("an answer"), "HTTP/1.1 200 OK");
    assert_eq!(ready(&mut old).expect("goes on"), "HTTP/1.1 200 OK");
    assert!(ready(&mut connect(address, &first)).is_err(), "the first one is served no more");

    std::fs::write(&chain, "nothing").expect("written");
    serving.signal("HUP");
    let said = serving.wait_for("the one from before goes on");
    assert!(said.contains("holds no certificate"), "{said}");
    assert_eq!(ready(&mut connect(address, &second)).expect("an answer"), "HTTP/1.1 200 OK");

    // One that is for another name is served, and said to be refused by those who call.
    renew(folder.path(), "other.example");
    serving.signal("HUP");
    serving.wait_for("the certificate is not for agents.contoso.example");
}

#[test]
fn keys_that_would_come_in_clear_text_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = own_address().to_string();
    let mut serving = Serving::start(folder.path(), &["--listen", &listen, "--host", NAME]);
    let said = serving.wait_for("keys come here in clear text");
    assert!(said.contains(&listen), "{said}");
    serving.wait_for(&format!("the gateway listens at http://{listen}"));
}

#[test]
fn connections_are_spread_over_all_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = own_address();
    let address = listen.to_string();
    let serving = Serving::start(folder.path(), &["--workers", "4", "--listen", &address, "--host", NAME]);
    let workers: Vec<PathBuf> = std::fs::read_dir(format!("/proc/{}/task", serving.child.id()))
        .expect("its threads")
        .map(|task| task.expect("a thread").path())
        .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("gateway")))
        .collect();
    assert_eq!(workers.len(), 4, "{workers:?}");
    // How often a thread has waited for something to do.
    let waits = || -> Vec<u64> {
        let of = |task: &PathBuf| {
            let status = std::fs::read_to_string(task.join("status")).expect("its status");
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("a line");
            line.trim().parse().expect("a number")
        };
        workers.iter().map(of).collect()
    };
    let before = waits();
    for _ in 0..200 {
        assert_eq!(ready(&mut TcpStream::connect(listen).expect("connects")).expect("an answer"), "HTTP/1.1 200 OK");
    }
    for (before, after) in before.iter().zip(waits()) {
        // One that had none of them wakes up a few times at most.
        assert!(after - before >= 20, "{before} and {after}: it has served next to nothing");
    }
}
