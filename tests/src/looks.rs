//! How a page looks: pictures at the usual and at the smallest size, that it fits, and what axe finds against WCAG 2.2 AA.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Window, until};

/// Looks at the page as it is, at both sizes and enlarged to twice; the pictures are called by this name.
///
/// # Errors
/// The page scrolls sideways, or is hard to read or to use for some.
pub async fn check(window: &Window, name: &str) -> Result<()> {
    for (size, width, height) in [("usual", 1100, 720), ("smallest", 820, 560)] {
        window.resize(width, height).await?;
        window.picture(&format!("{name}-{size}")).await?;
        let wide = window.script("return document.documentElement.scrollWidth > innerWidth").await?;
        ensure!(wide == false, "{name} at {width} × {height} scrolls sideways");
    }
    window.resize(1100, 720).await?;
    zoom(window, 2).await?;
    window.picture(&format!("{name}-twice")).await?;
    let wide = window.script("return document.documentElement.scrollWidth > innerWidth").await?;
    ensure!(wide == false, "{name} at 200 % zoom scrolls sideways");
    // The page forbids scripts of others; the driver's own are not the page's.
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/node_modules/axe-core/axe.min.js");
    window.script(&std::fs::read_to_string(axe).context("npm ci in ui/ brings axe")?).await?;
    let found = window
        .script_async(
            "const done = arguments[arguments.length - 1];
             axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
               .then((it) => done(it.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 160)).join(' | '))))
               .catch((error) => done(['axe: ' + error]));",
        )
        .await?;
    let violations = found.as_array().context("axe found a list")?;
    ensure!(violations.is_empty(), "{name}: {}", Value::Array(violations.clone()));
    zoom(window, 1).await
}

/// As Ctrl and + do it, and waits until the page is laid out so.
async fn zoom(window: &Window, factor: u32) -> Result<()> {
    window.invoke("set_zoom", &format!("{{ factor: {factor} }}")).await?;
    let across = format!("return innerWidth === {}", 1100 / factor);
    until("the page to be zoomed", || async { Ok((window.script(&across).await? == true).then_some(())) }).await
}
