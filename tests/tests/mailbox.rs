//! A mailbox of 10,000 mails with bodies of a megabyte of HTML: all that an agent is answered is small, and so is the
//! gateway.

#![allow(clippy::print_stdout, reason = "it tells figures")]

use anyhow::{Context, Result, ensure};
use atthene_e2e::{MailAgent, MailDesk, WROTE, fenced, mails_of_strangers, tricks};
use atthene_test_support::mailbox::{Contents, Mailbox};
use serde_json::{Value, json};

const MAILS: usize = 10_000;
const BODY: usize = 1_000_000;
/// Rows of a list, at the most.
const ROWS: usize = 25;
/// Characters of a body in one answer, and the marks around it.
const READ: usize = 8_000;
const MARKS: usize = 50;
/// Bytes of a whole result, which tells everything twice: as text and for programs.
const RESULT: usize = 100_000;
/// What the gateway may take, in KiB.
const MEMORY: u64 = 60 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn ten_thousand_large_mails_are_told_in_small_parts_by_a_small_gateway() -> Result<()> {
    let desk = MailDesk::new(Contents { mails: MAILS, body: BODY, ..Contents::default() }).await?;
    let mut agents: Vec<MailAgent> = (0..8).map(|_| desk.agent()).collect();
    let first = desk.agent();
    let peak = |when: &str| -> Result<u64> {
        let peak = desk.peak()?;
        println!("{when}: {peak} KiB at the most");
        Ok(peak)
    };
    peak("at the beginning")?;
    let mut first = blocking(move || every_mail_once(first)).await?;
    peak("after all pages")?;
    blocking(move || {
        (0..MAILS).step_by(97).try_for_each(|number| a_mail(&mut first, number))?;
        a_body_to_its_end(&mut first)
    })
    .await?;
    peak("after mails one by one")?;
    blocking(move || many_at_once(&mut agents)).await?;
    let peak = peak("after eight at once")?;
    ensure!(peak < MEMORY, "the gateway had {peak} KiB");
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

fn many_at_once(agents: &mut [MailAgent]) -> Result<()> {
    std::thread::scope(|scope| {
        let reads = agents.iter_mut().enumerate().map(|(at, agent)| {
            scope.spawn(move || {
                for number in (at..MAILS).step_by(641) {
                    a_mail(agent, number)?;
                    let week = format!("week {}", number % 52);
                    rows(&agent.gets("mail_search", &json!({ "query": week, "limit": ROWS }))?)?;
                }
                anyhow::Ok(())
            })
        });
        let reads: Vec<_> = reads.collect();
        reads.into_iter().try_for_each(|read| read.join().map_err(|_| anyhow::anyhow!("an agent broke"))?)
    })
}

fn every_mail_once(mut agent: MailAgent) -> Result<MailAgent> {
    let (mut told, mut pages, mut asked) = (0, 0, json!({ "limit": ROWS }));
    loop {
        let page = agent.gets("mail_search", &asked)?;
        pages += 1;
        for row in rows(&page)? {
            ensure!(row["id"] == Mailbox::id(told), "mail {told}: {row}");
            told += 1;
        }
        if page["structuredContent"]["more"] == false {
            ensure!(told == MAILS, "{told} mails were told");
            println!("{told} mails by {pages} pages");
            return Ok(agent);
        }
        asked = json!({ "limit": ROWS, "cursor": page["structuredContent"]["next"] });
    }
}

fn rows(page: &Value) -> Result<&Vec<Value>> {
    small(page)?;
    let rows = page["structuredContent"]["mails"].as_array().context("mails")?;
    ensure!(!rows.is_empty() && rows.len() <= ROWS, "{} rows", rows.len());
    Ok(rows)
}

fn small(result: &Value) -> Result<()> {
    let bytes = result.to_string().len();
    ensure!(bytes <= RESULT, "{bytes} bytes");
    Ok(())
}

/// Reads a mail, whole or without what it answers; what is told of its body, and how much is left.
fn part(agent: &mut MailAgent, asked: &Value) -> Result<(String, usize)> {
    let result = agent.gets("mail_read", asked)?;
    small(&result)?;
    let mail = &result["structuredContent"];
    let body = mail["body"].as_str().context("a body")?;
    ensure!(body.chars().count() <= READ + MARKS, "{} characters", body.chars().count());
    let inner = body.split_once('\n').and_then(|(_, rest)| rest.rsplit_once('\n')).context("marks")?.0;
    Ok((inner.to_owned(), usize::try_from(mail["rest"].as_u64().context("rest")?)?))
}

fn a_mail(agent: &mut MailAgent, number: usize) -> Result<()> {
    for whole in [false, true] {
        let (body, rest) = part(agent, &json!({ "id": Mailbox::id(number), "whole": whole }))?;
        ensure!(body.contains(&format!("The words of mail {number}.")), "mail {number}: {body}");
        ensure!(!whole || rest > 0, "mail {number} is no large one");
    }
    Ok(())
}

/// By its parts, nothing twice and nothing left out: `rest` goes down by what was told.
fn a_body_to_its_end(agent: &mut MailAgent) -> Result<()> {
    let (mut offset, mut left) = (0, None);
    loop {
        let (body, rest) = part(agent, &json!({ "id": Mailbox::id(2), "whole": true, "offset": offset }))?;
        offset += body.chars().count();
        let all = *left.get_or_insert(offset + rest);
        if rest == 0 {
            ensure!(offset <= all && all - offset < 100, "{offset} of {all}");
            return Ok(());
        }
        ensure!(offset + rest == all, "{offset} and {rest} are not {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn whatever_strangers_write_comes_out_fenced() -> Result<()> {
    let (own, folders) = (mails_of_strangers(), tricks().into_iter().map(|(_, trick)| trick).collect());
    let kinds: Vec<(String, String)> = own.iter().map(|mail| (text(&mail["id"]), text(&mail["kind"]))).collect();
    ensure!(kinds.len() > 100, "{} mails", kinds.len());
    let desk = MailDesk::new(Contents { own, folders, ..Contents::default() }).await?;
    let mut agent = desk.agent();
    blocking(move || {
        let mut told = 0;
        let mut asked = json!({ "query": Mailbox::OWN, "limit": ROWS });
        loop {
            let page = agent.gets("mail_search", &asked)?;
            told += rows(&page)?.len();
            fenced(&page).with_context(|| format!("the page up to {told}"))?;
            if page["structuredContent"]["more"] == false {
                break;
            }
            asked = json!({ "query": Mailbox::OWN, "limit": ROWS, "cursor": page["structuredContent"]["next"] });
        }
        ensure!(told == kinds.len(), "{told} of {} mails were told", kinds.len());
        for (id, kind) in &kinds {
            a_strangers_mail(&mut agent, id).with_context(|| kind.clone())?;
        }
        folders_of_strangers(&mut agent)
    })
    .await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn a_strangers_mail(agent: &mut MailAgent, id: &str) -> Result<()> {
    let mut offset = 0;
    loop {
        let mail = agent.gets("mail_read", &json!({ "id": id, "offset": offset }))?;
        small(&mail)?;
        fenced(&mail)?;
        let files = mail["structuredContent"]["attachments"].as_array().context("attachments")?;
        if let Some(file) = files.first() {
            let got = agent.gets("attachment_get", &json!({ "mail": id, "id": file["id"] }))?;
            small(&got)?;
            fenced(&got).context("its attachment")?;
        }
        if mail["structuredContent"]["rest"] == 0 || offset >= 3 * READ {
            return Ok(());
        }
        offset += READ;
    }
}

/// Whoever asks for a folder that there is not is told which there are.
fn folders_of_strangers(agent: &mut MailAgent) -> Result<()> {
    let search = json!({ "folder": "no such folder" });
    let into = json!({ "folder": "no such folder", "id": "AAMkAGstranger-0" });
    for (tool, asked) in [("mail_search", search), ("mail_move", into)] {
        let told = agent.calls(tool, &asked)?;
        ensure!(told["isError"] == true && told.to_string().contains(WROTE), "{tool}: {told}");
        small(&told)?;
        fenced(&told).with_context(|| format!("the folders that {tool} tells"))?;
    }
    Ok(())
}
