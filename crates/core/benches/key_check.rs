//! What a checked key costs inside the process. The aim: less than 2 µs.
#![allow(clippy::expect_used, reason = "a benchmark")]

use atthene_core::Clock;
use atthene_core::keys::{Expiry, NewKey};
use atthene_test_support::open;
use atthene_vault::MemoryVault;
use criterion::{Criterion, criterion_group, criterion_main};

fn key_check(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let core = open(dir.path(), Clock::system(), MemoryVault::default()).expect("opens");
    let asked = NewKey { name: "bench".into(), expiry: Expiry::Days { days: 30 }, replaces: None };
    let (_, text) = core.keys.create(asked).expect("creates");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    runtime.block_on(core.keys.verify(text.expose()));
    criterion.bench_function("key_check", |bencher| {
        bencher.iter(|| runtime.block_on(core.keys.verify(std::hint::black_box(text.expose()))));
    });
}

criterion_group!(benches, key_check);
criterion_main!(benches);
