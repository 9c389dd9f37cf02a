//! Callers from other machines: names, and what is told them of this one.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use atthene_core::activity::Span;
use atthene_core::oversight::GatewayState;
use atthene_gateway::{Certificate, Limits, Listening};
use atthene_vault::MemoryVault;

use crate::common::{Answer, Running, connect_to, eventually, free_port};
use crate::field::head;

/// The address under which other machines know this one. Nothing is sent for it.
pub fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("198.51.100.1:9").expect("a way out of this machine");
    let own = socket.local_addr().expect("an address").ip();
    assert!(!own.is_loopback(), "these tests need an address beyond loopback");
    own
}

pub const NAME: &str = "agents.contoso.example";

/// A gateway on loopback and at this address, under one name.
pub fn reachable(address: SocketAddr, limits: Limits, certificate: Option<Certificate>) -> Running {
    let names = vec![NAME.parse().expect("a name"), own_address().to_string().parse().expect("an address")];
    let listening = Listening::default().beyond(vec![address], names, certificate.map(std::sync::Arc::new));
    let listening = listening.expect("a place");
    Running::listening(tempfile::tempdir().expect("a folder"), limits, listening, MemoryVault::default())
}

fn ask(address: SocketAddr, head: &str) -> Answer {
    let mut stream = connect_to(&address.ip().to_string(), address.port()).expect("connects");
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).expect("sends");
    Answer::read(&mut stream)
}

/// Who has called so far.
fn names(running: &Running) -> Vec<String> {
    let programs = running.core.usage.report(Span::Day).expect("reads").programs;
    let name = |caller: atthene_core::activity::CallerView| [caller.program, caller.user_agent].concat();
    programs.into_iter().map(|program| name(program.caller)).collect()
}

fn healthz(host: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nx-atthene-challenge: abc")
}

#[test]
fn beyond_loopback_its_names_are_answered_to_and_no_other() {
    let address = SocketAddr::new(own_address(), free_port());
    let running = reachable(address, Limits::default(), None);
    let own = address.to_string();
    for host in [NAME, "AGENTS.contoso.example:8443", &own, "localhost"] {
        assert_eq!(ask(address, &healthz(host)).status, 200, "{host}");
    }
    for host in ["evil.example", "contoso.example", "192.0.2.200", "agents.contoso.example.evil.example"] {
        let refused = ask(address, &healthz(host));
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden_host"), "{host}");
    }
    let page = ask(address, &format!("{}\r\norigin: https://{NAME}", healthz(NAME)));
    assert_eq!(page.code(), "forbidden_origin", "its own name is no web page's");
    assert_eq!(running.send("GET /healthz HTTP/1.1", b"").status, 200, "loopback goes on");
}

#[test]
fn beyond_loopback_it_proves_nothing() {
    let address = SocketAddr::new(own_address(), free_port());
    let running = reachable(address, Limits::default(), None);
    let local = running.send("GET /healthz HTTP/1.1\r\nx-atthene-challenge: abc", b"");
    assert!(local.head.contains("x-atthene-proof: ") && local.head.contains("x-atthene-folder: "), "{local:?}");
    // Whoever has the port of another machine could pass the challenge on to here.
    let answer = ask(address, &healthz(NAME));
    assert!(answer.status == 200 && !answer.head.contains("x-atthene"), "{answer:?}");
}

#[test]
fn a_caller_from_elsewhere_is_known_by_what_it_says_or_by_its_address() {
    let address = SocketAddr::new(own_address(), free_port());
    let running = reachable(address, Limits::default(), None);
    let key = running.key(None);
    let verify = format!("GET /auth/verify HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(ask(address, &format!("{verify}\r\nuser-agent: orders/2.1 (import)")).status, 200);
    assert_eq!(ask(address, &verify).status, 200);
    let names = eventually("both to be counted", || {
        let mut names = names(&running);
        names.sort();
        Some(names).filter(|names| names.len() == 2)
    });
    assert_eq!(names, [address.ip().to_string(), "orders/2.1 (import)".to_owned()]);
}

#[test]
fn an_address_for_all_serves_loopback_on_the_same_port() {
    for all in ["[::]", "0.0.0.0"] {
        let port = free_port();
        let all: SocketAddr = format!("{all}:{port}").parse().expect("an address");
        let running = {
            let names = vec![NAME.parse().expect("a name")];
            let listening = Listening::on_port(Some(port)).beyond(vec![all], names, None).expect("a place");
            let folder = tempfile::tempdir().expect("a folder");
            Running::listening(folder, Limits::default(), listening, MemoryVault::default())
        };
        let beyond = SocketAddr::new(own_address(), port);
        assert_eq!(ask(beyond, &healthz(NAME)).status, 200);
        let local = ask(([127, 0, 0, 1], port).into(), &healthz("localhost"));
        assert!(local.status == 200 && local.head.contains("x-atthene-proof: "), "{all}: {local:?}");
        // The program is found, also where one socket listens for both versions of IP.
        let key = running.key(None);
        let verify = format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}", key.expose());
        // Its name may come too late for the first call, and holds for the connection.
        let mut stream = connect_to("127.0.0.1", port).expect("connects");
        eventually("the caller to be named", || {
            stream.write_all(format!("{verify}\r\n\r\n").as_bytes()).expect("sends");
            assert!(head(&mut stream).expect("an answer").starts_with("http/1.1 200"));
            names(&running).into_iter().find(|name| name.starts_with("it-"))
        });
        drop(stream);
        running.service.stop();
        TcpListener::bind(all).expect("was given back");
    }
}

#[test]
fn an_address_that_can_not_be_had_is_named() {
    let taken = TcpListener::bind((own_address(), 0)).expect("binds");
    let taken = taken.local_addr().map(|address| (address, taken)).expect("an address");
    let names = vec![NAME.parse().expect("a name")];
    let listening = Listening::on_port(Some(free_port())).beyond(vec![taken.0], names, None).expect("a place");
    let machine = atthene_test_support::machine::Machine::new();
    let service = atthene_service::Service::start_on(
        machine.open(),
        Limits::default(),
        listening,
        atthene_core::oversight::Keeper::Other,
    );
    let service = service.expect("starts");
    let reason = eventually("the reason", || match service.state() {
        GatewayState::Failed { reason } => Some(reason),
        _ => None,
    });
    assert!(reason.contains(&taken.0.to_string()), "{reason}");
    drop(taken);
    eventually("it to listen", || Some(()).filter(|()| matches!(service.state(), GatewayState::Listening { .. })));
}

#[test]
fn several_addresses_are_given_back_when_it_is_turned_off_and_taken_up_again() {
    let port = free_port();
    // Those for every address take each other's, and the second one's.
    let addresses: Vec<SocketAddr> =
        [format!("{}:{port}", own_address()), format!("0.0.0.0:{port}"), format!("[::]:{port}")]
            .map(|address| address.parse().expect("an address"))
            .into();
    let names = vec![NAME.parse().expect("a name")];
    let listening = Listening::default().beyond(addresses, names, None).expect("a place");
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::listening(folder, Limits::default(), listening, MemoryVault::default());
    let beyond = SocketAddr::new(own_address(), port);
    for round in 0..3 {
        assert_eq!(ask(beyond, &healthz(NAME)).status, 200, "round {round}");
        let settings = atthene_core::Settings::clone(&running.core.settings.current());
        running.core.settings.save(atthene_core::Settings { gateway_on: false, ..settings.clone() }).expect("saves");
        running.wait_for(|state| matches!(state, GatewayState::Off));
        drop(eventually("the address to be free", || TcpListener::bind(beyond).ok()));
        running.core.settings.save(settings).expect("saves");
        running.wait_for(|state| matches!(state, GatewayState::Listening { .. }));
    }
}

#[test]
fn it_is_ready_while_calls_are_let_in() {
    let running = Running::start();
    let ready = || running.send("GET /readyz HTTP/1.1", b"");
    assert_eq!((ready().status, ready().body.as_str()), (200, "ready"));
    running.core.stop_everything().expect("stops");
    let stopped = eventually("it to be stopped", || Some(ready()).filter(|answer| answer.status != 200));
    assert_eq!((stopped.status, stopped.code().as_str()), (503, "stopped"));
    assert!(
        stopped.head.contains("retry-after: 1") && stopped.head.contains("application/problem+json"),
        "{stopped:?}"
    );
    assert_eq!(running.send("GET /healthz HTTP/1.1", b"").status, 200, "alive all the same");
    running.core.resume().expect("resumes");
    eventually("it to be ready", || Some(()).filter(|()| ready().status == 200));
    assert_eq!(running.core.usage.report(Span::Day).expect("reads").total.refused, 0, "a probe is no call");
}

#[test]
#[cfg(unix)]
fn it_is_not_ready_without_its_rows() {
    let running = Running::start();
    let (file, away) = running.move_database_away();
    let answer = eventually("it to be lost", || {
        Some(running.send("GET /readyz HTTP/1.1", b"")).filter(|answer| answer.status != 200)
    });
    assert_eq!((answer.status, answer.code().as_str()), (503, "store_unavailable"));
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    std::fs::rename(away, file).expect("put back");
}
