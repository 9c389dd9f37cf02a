//! Callers from other machines over TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atthene_core::activity::Span;
use atthene_core::keys::KeyText;
use atthene_gateway::{Certificate, Limits, Listening, TlsFilesError};
use atthene_vault::MemoryVault;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::beyond::{NAME, own_address};
use crate::common::{Answer, EXECUTE, Running, connect_to, eventually, free_port};
use crate::field;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Files that hold a certificate for [`NAME`], which whoever trusts it may call.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> (Self, CertificateDer<'static>) {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        let own = files.renew();
        (files, own)
    }

    fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Writes another one.
    fn renew(&self) -> CertificateDer<'static> {
        let own = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        std::fs::write(self.chain(), own.cert.pem()).expect("written");
        write_private(&self.key(), &own.signing_key.serialize_pem());
        own.cert.der().clone()
    }

    fn load(&self) -> Result<Certificate, TlsFilesError> {
        Certificate::load(&self.chain(), &self.key())
    }
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
}

struct Encrypted {
    running: Running,
    address: SocketAddr,
    certificate: Arc<Certificate>,
    files: Files,
    trusted: CertificateDer<'static>,
}

impl Encrypted {
    fn start(limits: Limits) -> Self {
        let (files, trusted) = Files::new();
        let certificate = Arc::new(files.load().expect("can be served"));
        let address = SocketAddr::new(own_address(), free_port());
        let listening = Listening::default()
            .beyond(vec![address], vec![NAME.parse().expect("a name")], Some(certificate.clone()))
            .expect("a place");
        let folder = tempfile::tempdir().expect("a folder");
        let running = Running::listening(folder, limits, listening, MemoryVault::default());
        Self { running, address, certificate, files, trusted }
    }

    fn tcp(&self) -> TcpStream {
        connect_to(&self.address.ip().to_string(), self.address.port()).expect("connects")
    }

    fn trusting(&self, trusted: &CertificateDer<'static>) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from(NAME).expect("a name");
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), self.tcp())
    }

    fn connect(&self) -> Tls {
        self.trusting(&self.trusted)
    }

    fn ask(&self, head: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).expect("sends");
        Answer::read(&mut stream)
    }
}

fn verify(host: &str, key: &KeyText) -> String {
    format!("GET /auth/verify HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}", key.expose())
}

/// Calls, and leaves the connection open.
fn verify_on(stream: &mut Tls, key: &KeyText) -> String {
    stream.write_all(format!("{}\r\n\r\n", verify(NAME, key)).as_bytes()).expect("sends");
    field::head(stream).expect("an answer")
}

#[test]
fn calls_come_encrypted_and_loopback_stays_as_it_is() {
    let gateway = Encrypted::start(Limits::default());
    let key = gateway.running.key(None);
    let mut stream = gateway.connect();
    assert!(verify_on(&mut stream, &key).starts_with("http/1.1 200"));
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(verify_on(&mut stream, &key).starts_with("http/1.1 200"), "a second call on it");
    let refused = gateway.ask(&verify("evil.example", &key).replace("/auth/verify", "/healthz"));
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden_host"));
    assert_eq!(gateway.running.execute_with(&key).status, 200, "in the clear on loopback");
}

#[test]
fn a_renewed_certificate_is_served_and_an_old_connection_goes_on() {
    let gateway = Encrypted::start(Limits::default());
    let key = gateway.running.key(None);
    let mut old = gateway.connect();
    assert!(verify_on(&mut old, &key).starts_with("http/1.1 200"));
    let renewed = gateway.files.renew();
    gateway.certificate.reload().expect("can be served");
    assert!(verify_on(&mut gateway.trusting(&renewed), &key).starts_with("http/1.1 200"));
    assert!(verify_on(&mut old, &key).starts_with("http/1.1 200"), "it was cut");
    let untrusted = gateway.trusting(&gateway.trusted).write_all(b"GET / HTTP/1.1\r\n\r\n");
    assert!(untrusted.is_err(), "the old one is still served");

    // The key of another certificate, as in the middle of a renewal.
    let (others, _) = Files::new();
    std::fs::copy(others.key(), gateway.files.key()).expect("copied");
    assert!(matches!(gateway.certificate.reload(), Err(TlsFilesError::Mismatch { .. })));
    std::fs::write(gateway.files.chain(), "nothing").expect("written");
    assert!(matches!(gateway.certificate.reload(), Err(TlsFilesError::NoCertificate(_))));
    assert!(
        verify_on(&mut gateway.trusting(&renewed), &key).starts_with("http/1.1 200"),
        "the one from before goes on"
    );
}

#[test]
fn a_handshake_that_never_ends_is_cut_and_keeps_nobody() {
    let gateway = Encrypted::start(Limits { head_time: Duration::from_millis(300), ..Limits::default() });
    let key = gateway.running.key(None);
    // One says nothing at all, one begins a record, one ends its handshake and sends no head.
    let silent = gateway.tcp();
    let mut begun = gateway.tcp();
    begun.write_all(&[22, 3, 1, 2, 0, 1, 0]).expect("sends");
    let mut headless = gateway.connect();
    headless.conn.complete_io(&mut headless.sock).expect("a handshake");
    assert_eq!(gateway.ask(&verify(NAME, &key)).status, 200, "others are served meanwhile");
    for mut stream in [silent, begun, headless.sock] {
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(!matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "{ended:?}");
    }
}

#[test]
fn handshakes_take_places_and_give_them_up_to_callers() {
    let gateway = Encrypted::start(Limits { connections: 4, ..Limits::default() });
    let key = gateway.running.key(None);
    let silent: Vec<TcpStream> = (0..6).map(|_| gateway.tcp()).collect();
    assert_eq!(gateway.ask(&verify(NAME, &key)).status, 200);
    drop(silent);
    // Calls under way take all places; whoever comes next is told so, over TLS.
    let begun = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        key.expose()
    );
    let mut busy: Vec<Tls> = (0..4).map(|_| gateway.connect()).collect();
    for stream in &mut busy {
        stream.write_all(begun.as_bytes()).expect("sends");
        assert!(field::head(stream).expect("goes on").starts_with("http/1.1 100"));
    }
    let refused = gateway.ask(&verify(NAME, &key));
    assert_eq!((refused.status, refused.code().as_str()), (503, "too_many_connections"), "{refused:?}");
}

#[test]
fn plain_http_is_told_to_speak_tls() {
    let gateway = Encrypted::start(Limits::default());
    let mut stream = gateway.tcp();
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {NAME}\r\n\r\n").as_bytes()).expect("sends");
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.code().as_str()), (400, "unreadable_request"), "{answer:?}");
    assert!(answer.body.contains("https://"), "{answer:?}");
    eventually("it to be counted", || Some(()).filter(|()| gateway.running.refused("unreadable_request") == 1));
}

#[test]
fn what_can_not_be_read_and_what_is_answered_early_are_told_over_tls() {
    let gateway = Encrypted::start(Limits::default());
    let unreadable = gateway.ask("GET /healthz HTTP/1.1\r\nhost : localhost");
    assert_eq!((unreadable.status, unreadable.code().as_str()), (400, "unreadable_request"), "{unreadable:?}");
    assert!(unreadable.head.contains("x-request-id: "), "{unreadable:?}");
    for round in 0..4 {
        let mut stream = gateway.connect();
        let head = format!("POST {EXECUTE} HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 8388608\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; 1024 * 1024]));
        let answer = Answer::read(&mut stream);
        assert_eq!((answer.status, answer.code().as_str()), (401, "missing_key"), "round {round}: {answer:?}");
    }
}

#[test]
fn a_websocket_over_tls_is_tunnelled_counted_and_stopped() {
    let gateway = Encrypted::start(Limits::default());
    let key = gateway.running.key(None);
    gateway.running.set_runtime(&field::server(field::echo), None);
    let upgraded = || {
        let mut stream = gateway.connect();
        let more = "connection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: k\r\n\r\n";
        let call = verify(NAME, &key).replace("/auth/verify", "/api/amas/realtime");
        stream.write_all(format!("{call}\r\n{more}").as_bytes()).expect("sends");
        assert!(field::head(&mut stream).expect("an answer").starts_with("http/1.1 101"));
        stream.write_all(b"hello").expect("sends");
        let mut back = [0; 5];
        stream.read_exact(&mut back).expect("comes back");
        assert_eq!(&back, b"hello");
        stream
    };
    drop(upgraded());
    eventually("the call and its bytes to be counted", || {
        let total = gateway.running.core.usage.report(Span::Day).expect("reads").total;
        Some(()).filter(|()| (total.answered, total.bytes_in, total.bytes_out) == (1, 5, 5))
    });
    let mut stream = upgraded();
    gateway.running.core.stop_everything().expect("stops");
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "it went on");
}

#[test]
fn an_answer_that_nobody_reads_waits_and_one_whose_caller_is_gone_is_cancelled() {
    let gateway = Encrypted::start(Limits::default());
    let key = gateway.running.key(None);
    let (gone, is_gone) = std::sync::mpsc::channel();
    gateway.running.set_runtime(
        &field::server(move |_, mut stream| {
            let Some(_) = field::head(&mut stream) else { return };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            let part = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
            while stream.write_all(&part).is_ok() {}
            let _ = gone.send(());
        }),
        None,
    );
    let mut stream = gateway.connect();
    let call = verify(NAME, &key).replace("/auth/verify", "/api/amas/stream");
    stream.write_all(format!("{call}\r\n\r\n").as_bytes()).expect("sends");
    assert!(field::head(&mut stream).expect("an answer").starts_with("http/1.1 200"));
    // However long it would go on, it ends with its caller.
    let _ = stream.sock.shutdown(Shutdown::Both);
    drop(stream);
    is_gone.recv_timeout(Duration::from_secs(10)).expect("the runtime hears of it");
}

#[test]
fn files_that_can_not_be_served_are_told_apart() {
    let (files, _) = Files::new();
    assert!(files.load().is_ok());
    let (others, _) = Files::new();
    assert!(matches!(Certificate::load(&files.chain(), &others.key()), Err(TlsFilesError::Mismatch { .. })));
    assert!(matches!(Certificate::load(&files.key(), &files.key()), Err(TlsFilesError::NoCertificate(_))));
    let chain = files.folder.path().join("copy.pem");
    write_private(&chain, &std::fs::read_to_string(files.chain()).expect("read"));
    assert!(matches!(Certificate::load(&chain, &chain), Err(TlsFilesError::NoKey(_))));
    assert!(matches!(Certificate::load(Path::new("/none"), &files.key()), Err(TlsFilesError::Unreadable { .. })));
    #[cfg(unix)]
    {
        std::fs::set_permissions(files.key(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("set");
        let refused = files.load().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("other accounts may read it"), "{refused}");
    }
}

#[test]
fn what_callers_will_refuse_is_known_before() {
    use atthene_gateway::CertificateDoubt::{Expired, Lacks, NotYetValid};
    let of = |from: i32, until: i32| {
        let folder = tempfile::tempdir().expect("a folder");
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut wanted = rcgen::CertificateParams::new([NAME.to_owned(), "10.0.0.5".to_owned()]).expect("names");
        wanted.not_before = rcgen::date_time_ymd(from, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(until, 1, 1);
        let own = wanted.self_signed(&key).expect("a certificate");
        let files = Files { folder };
        std::fs::write(files.chain(), own.pem()).expect("written");
        write_private(&files.key(), &key.serialize_pem());
        let hosts = [NAME, "10.0.0.5", "other.example", "10.0.0.6"].map(|host| host.parse().expect("a host"));
        files.load().expect("can be served").doubts(&hosts)
    };
    let lacks = ["other.example", "10.0.0.6"].map(|host| Lacks(host.parse().expect("a host")));
    assert_eq!(of(2020, 2099), lacks);
    assert_eq!(of(2020, 2021), [vec![Expired], lacks.to_vec()].concat());
    assert_eq!(of(2098, 2099), [vec![NotYetValid], lacks.to_vec()].concat());
}
