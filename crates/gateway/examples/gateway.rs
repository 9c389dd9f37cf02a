//! The gateway alone, with a fresh key, for measuring: `gateway PORT RUNTIME_URL`. Prints
//! the key and serves until its standard input ends.
#![allow(clippy::print_stdout, reason = "its output is the key")]

use std::io::Read;

use atthene_core::identity::Profile;
use atthene_core::keys::{Expiry, NewKey};
use atthene_core::vault::{MemoryVault, Vault};
use atthene_core::{Clock, Core, Outside, Settings};
use atthene_gateway::{Gateway, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().ok_or("which port?")?.parse()?;
    let dir = tempfile::tempdir()?;
    let core =
        Core::open_with(&Profile::at(dir.path()), Outside::new(Clock::system(), Vault::new(MemoryVault::default())?))?;
    core.settings.save(Settings { gateway_port: port, runtime_url: arguments.next(), ..Settings::default() })?;
    let (_, text) =
        core.keys.create(NewKey { name: "bench".into(), expiry: Expiry::Days { days: 1 }, replaces: None })?;
    let gateway = Gateway::start(core, Limits::default())?;
    println!("{}", text.expose());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    gateway.stop();
    Ok(())
}
