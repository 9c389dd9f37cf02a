//! What an answer to an agent has to look like, whoever wrote what it tells.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::strangers::WROTE;

/// Fails where something of a stranger's stands outside of the one fence, or something that can't be seen anywhere.
pub fn fenced(result: &Value) -> Result<()> {
    let content = result["content"].as_array().context("no content")?;
    let text = content.first().and_then(|first| first["text"].as_str()).context("no text")?;
    // The notice names the marks; behind it each stands once, around everything.
    let mark = text.split_once("<<untrusted ").and_then(|(_, rest)| rest.get(..8)).context("no mark")?;
    let (open, close) = (format!("<<untrusted {mark}>>"), format!("<<end {mark}>>"));
    let (notice, inside) = text.split_once(&format!("\n{open}\n")).context("no fence")?;
    ensure!(notice.matches(&open).count() == 1 && notice.matches(&close).count() == 1, "another notice: {notice}");
    let inner = inside.strip_suffix(&format!("\n{close}")).context("the fence does not end the text")?;
    ensure!(!inner.contains(&open) && !inner.contains(&close), "a mark of the fence stands inside");
    ensure!(!notice.contains(WROTE), "the notice has a stranger's words: {notice}");
    for other in &content[1..] {
        ensure!(!other.to_string().contains(WROTE), "outside of the fence: {other}");
    }
    seen(result)?;
    if let Ok(inner) = serde_json::from_str::<Value>(inner) {
        seen(&inner)?;
    }
    if let Some(body) = result["structuredContent"]["body"].as_str() {
        let inner =
            body.strip_prefix(&format!("{open}\n")).and_then(|body| body.strip_suffix(&close)).context("no fence")?;
        ensure!(!inner.contains(&open) && !inner.contains(&close), "a mark of the fence stands inside of the body");
    }
    let structured = &result["structuredContent"];
    ensure!(
        structured.is_null() || structured["untrusted"].as_str().is_some_and(|told| told.contains(&open)),
        "no notice"
    );
    Ok(())
}

/// Every string of it, names of fields too.
fn seen(value: &Value) -> Result<()> {
    match value {
        Value::String(text) => visible(text),
        Value::Array(all) => all.iter().try_for_each(seen),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| visible(name).and_then(|()| seen(value))),
        _ => Ok(()),
    }
}

fn visible(text: &str) -> Result<()> {
    let hidden = |c: &char| match *c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{180e}' | '\u{3164}' | '\u{feff}' => true,
        c => {
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0d}')
                || matches!(c, '\u{e0000}'..='\u{e0fff}')
        }
    };
    match text.chars().find(hidden) {
        None => Ok(()),
        Some(c) => anyhow::bail!("U+{:04X} stands in {:?}", u32::from(c), text.chars().take(200).collect::<String>()),
    }
}
