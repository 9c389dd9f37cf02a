//! An agent runtime: answers, streams and `WebSockets`.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

const EVENTS: usize = 20;
const BETWEEN_EVENTS: Duration = Duration::from_millis(500);
const ANSWER: &str = r#"{"output":"Hello!"}"#;

/// Serves for as long as this handle's runtime; tells its URL.
pub fn start(on: &Handle) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("can wait");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    on.spawn(async move {
        let listener = TcpListener::from_std(listener).expect("listens");
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever hangs up is no concern of others.
            tokio::spawn(async move { drop(serve(stream).await) });
        }
    });
    url
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 16 * 1024];
    loop {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            let read = stream.read(&mut part).await?;
            if read == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&part[..read]);
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0_usize);
        while bytes.len() < end + 4 + length {
            let read = stream.read(&mut part).await?;
            if read == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&part[..read]);
        }
        bytes.drain(..end + 4 + length);
        if head.contains("upgrade: websocket") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
                .await?;
            loop {
                let read = stream.read(&mut part).await?;
                if read == 0 {
                    return Ok(());
                }
                stream.write_all(&part[..read]).await?;
            }
        }
        if head.contains("/events") {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for event in 0..EVENTS {
                let text = format!("data: {event}\n\n");
                stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
                tokio::time::sleep(BETWEEN_EVENTS).await;
            }
            stream.write_all(b"0\r\n\r\n").await?;
        } else {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}
