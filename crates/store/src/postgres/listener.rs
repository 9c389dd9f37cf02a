//! The connection that hears of changes. A notification is a hint to read the rows again; they are read each second
//! anyway, and whenever the connection is made anew.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rand::distr::{Alphabetic, SampleString};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_postgres::{AsyncMessage, Client};

use super::address::Address;
use super::fault::Fault;
use super::heard::{Heard, Moment};
use super::link::OPENING;
use super::revisions;

/// How often the rows are read though nobody told of a change.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is tried whether notifications still come; and how long one may take.
const BEAT: Duration = Duration::from_secs(5);
const BEAT_ANSWER: Duration = Duration::from_secs(2);
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
    // A channel of its own for the beat: what others hear of it would grow with the square of their number.
    let beat = format!("atthene_{}", Alphabetic.sample_string(&mut rand::rng(), 16).to_lowercase());
    within(ANSWER, client.batch_execute(&format!("LISTEN atthene; LISTEN {beat}"))).await?;
    let read = within(ANSWER, client.prepare(revisions::READ)).await?;
    // After it began to listen: what was changed in between is in there.
    read_again(&client, &read, heard).await?;
    let mut beat_at = Instant::now() + BEAT;
    let mut unanswered: Option<Instant> = None;
    loop {
        let channel = timeout(EVERY, told.recv()).await;
        let mut channels = match channel {
            Ok(None) => return Err(Fault::Away("the connection broke".to_owned())),
            Ok(Some(channel)) => vec![channel],
            Err(_) => Vec::new(),
        };
        while let Ok(channel) = told.try_recv() {
            channels.push(channel);
        }
        if channels.contains(&beat) {
            unanswered = None;
        }
        read_again(&client, &read, heard).await?;
        if unanswered.is_some_and(|since| since.elapsed() > BEAT_ANSWER) {
            return Err(Fault::Away("the connection hears nothing any more".to_owned()));
        }
        if Instant::now() >= beat_at {
            beat_at = Instant::now() + BEAT;
            unanswered = Some(Instant::now());
            within(ANSWER, client.query("SELECT pg_notify($1, '')", &[&beat])).await?;
        }
    }
}

async fn read_again(client: &Client, read: &tokio_postgres::Statement, heard: &Heard) -> Result<(), Fault> {
    let at = Moment::now();
    let row = within(ANSWER, client.query_one(read, &[])).await?;
    heard.read(revisions::of_row(&row)?, at);
    Ok(())
}
