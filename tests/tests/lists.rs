//! Lists as long as an administrator's who looks after many customers.

use anyhow::{Result, ensure};
use atthene_e2e::{Machine, Window, many};

/// The most elements that a page may have.
const MOST_NODES: u64 = 2000;

/// Does this, and waits until the selector is there and painted. Milliseconds, and the elements of the page.
async fn timed(window: &Window, act: &str, selector: &str) -> Result<(f64, u64)> {
    timed_until(window, act, &format!("document.querySelector('{selector}')")).await
}

/// The same, until this holds.
async fn timed_until(window: &Window, act: &str, holds: &str) -> Result<(f64, u64)> {
    let measured = window
        .script_async(&format!(
            "const done = arguments[arguments.length - 1];
             const begun = performance.now();
             {act};
             const look = () => {holds}
               ? done([performance.now() - begun, document.querySelectorAll('*').length])
               : setTimeout(look, 1);
             look();"
        ))
        .await?;
    Ok((measured[0].as_f64().unwrap_or(f64::NAN), measured[1].as_u64().unwrap_or(u64::MAX)))
}

#[tokio::test]
#[ignore = "needs a display: cargo xtask test --only e2e"]
async fn long_lists_open_as_fast_as_short_ones() -> Result<()> {
    let machine = Machine::new()?;
    let window = Window::open(&machine).await?;
    window.create_key("Agents").await?;
    window.copy_and_close().await?;
    window.close().await?;
    rusqlite::Connection::open(machine.data_dir().join("atthene.db"))?.execute_batch(&many(1000, 1_000_000))?;
    let window = Window::open(&machine).await?;
    window.find("[data-gateway=listening]").await?;
    let page = |title: &str| {
        format!("[...document.querySelectorAll('nav .page')].find((it) => it.textContent.includes('{title}')).click()")
    };
    let typed = |id: &str, text: &str| {
        format!(
            "const field = document.querySelector('#{id}'); field.value = '{text}';
             field.dispatchEvent(new Event('input', {{ bubbles: true }}))"
        )
    };
    let pages = [
        ("Integrations", "[data-items=\"201\"]"),
        ("Tools", "[data-items=\"1000\"]"),
        ("Activity", "[data-kind=graph_call]"),
        ("Preferences", "#gateway-port"),
        ("API Keys", "[data-key]"),
    ];
    for round in ["first", "again"] {
        for (title, there) in pages {
            let (ms, nodes) = timed(&window, &page(title), there).await?;
            println!("{title} opens {round} in {ms:.0} ms, {nodes} elements");
            ensure!(nodes <= MOST_NODES, "{title} has {nodes} elements");
            window.picture(&format!("many-{}", title.to_lowercase().replace(' ', "-"))).await?;
        }
    }
    let (ms, nodes) = timed(&window, "document.querySelector('#ended-keys').click()", "[data-items=\"1000\"]").await?;
    println!("1,000 ended keys unfold in {ms:.0} ms, {nodes} elements");
    ensure!(nodes <= MOST_NODES, "ended keys: {nodes} elements");
    window.picture("many-ended-keys").await?;
    for (title, id, text, there) in [
        ("API Keys", "search-ended", "build 777", "[data-items=\"1\"]"),
        ("Integrations", "search-integrations", "c123.example", "[data-items=\"1\"]"),
        ("Tools", "search-connections", "user777@", "[data-items=\"1\"]"),
    ] {
        window.script(&page(title)).await?;
        window.find(&format!("#{id}")).await?;
        let (ms, _) = timed(&window, &typed(id, text), there).await?;
        println!("{title}: a search takes {ms:.0} ms");
    }
    window.script(&page("Activity")).await?;
    window.find("[data-kind]").await?;
    // Accounts of other numbers have gone once the answer is there.
    let others = "[...document.querySelectorAll('[data-kind]')].every((it) => it.textContent.includes('user42@'))";
    let (ms, _) = timed_until(&window, &typed("activity-search", "user42@"), others).await?;
    println!("Activity: a search over a million rows takes {ms:.0} ms");
    window.close().await
}
