//! The connection that hears of changes. A notification is a hint to read the rows again; they are read each second
//! anyway, and whenever the connection is made anew.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{AsyncMessage, Client};

use super::address::Address;
use super::fault::Fault;
use super::heard::{Heard, Moment};
use super::link::OPENING;
use super::pulse::{self, Due, Pulse};
use super::revisions;

/// How often the rows are read though nobody told of a change, at the least.
const EVERY: Duration = Duration::from_secs(1);
/// The channel of changes.
const CHANGES: &str = "atthene";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// The pause before the connection is made anew: short at first, so that one that broke by itself costs little.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Listens until it is aborted.
pub(super) async fn run(address: Address, heard: Arc<Heard>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let Err(fault) = listen(&address, &heard).await;
        heard.fail(fault.to_string());
        pause = if began.elapsed() > EVERY { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::time::sleep(pause).await;
    }
}

async fn within<T>(span: Duration, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
    Ok(timeout(span, answer).await.map_err(|_| Fault::Late)??)
}

/// One life of the connection.
async fn listen(address: &Address, heard: &Heard) -> Result<std::convert::Infallible, Fault> {
    let (client, mut connection) = within(OPENING, address.config.connect(address.encryption.clone())).await?;
    // As long as the other end is asked a question, nobody may wait here: so the messages have a task of their own,
    // which ends with the client.
    let (tell, mut told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message
                && tell.send(notification.channel().to_owned()).is_err()
            {
                return;
            }
        }
    });
    within(ANSWER, client.batch_execute(&format!("LISTEN {CHANGES}; LISTEN {}", pulse::CHANNEL))).await?;
    let read = within(ANSWER, client.prepare(revisions::READ)).await?;
    // After it began to listen: what was changed in between is in there.
    read_again(&client, &read, heard).await?;
    let mut read_by = next_read();
    let mut pulse = Pulse::heard(Instant::now());
    loop {
        let mut channels = match timeout_at(read_by.min(pulse.next()), told.recv()).await {
            Ok(None) => return Err(Fault::Away("the connection broke".to_owned())),
            Ok(Some(channel)) => vec![channel],
            Err(_) => Vec::new(),
        };
        while let Ok(channel) = told.try_recv() {
            channels.push(channel);
        }
        if !channels.is_empty() {
            pulse = Pulse::heard(Instant::now());
        }
        if channels.iter().any(|channel| channel == CHANGES) || Instant::now() >= read_by {
            read_again(&client, &read, heard).await?;
            read_by = next_read();
        }
        match pulse.look(Instant::now()) {
            Due::Nothing => {}
            Due::Ask => {
                within(ANSWER, client.query("SELECT pg_notify($1, '')", &[&pulse::CHANNEL])).await?;
            }
            Due::Deaf => return Err(Fault::Away("the connection hears nothing any more".to_owned())),
        }
    }
}

/// Hosts that were told of a change at once do not read at once for ever after.
fn next_read() -> Instant {
    Instant::now() + EVERY.mul_f64(rand::rng().random_range(0.8..1.0))
}

async fn read_again(client: &Client, read: &tokio_postgres::Statement, heard: &Heard) -> Result<(), Fault> {
    let at = Moment::now();
    let row = within(ANSWER, client.query_one(read, &[])).await?;
    heard.read(revisions::of_row(&row)?, at);
    Ok(())
}
