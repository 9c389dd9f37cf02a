//! The judge of many gateways finds what is planted, and nothing else.
#![cfg(target_os = "linux")]

use atthene_test_support::fleet::{Call, Life, Violation, delays, judge};

const BOUND: i64 = 100;

/// Replaced at 2000, revoked at 3000, and one that is live from 4000 on.
const LIVES: [Life; 3] = [
    Life { created: 1_000, ended: Some(2_000) },
    Life { created: 2_000, ended: Some(3_000) },
    Life { created: 4_000, ended: None },
];

fn call(gateway: usize, key: usize, began: i64, ended: i64, status: u16) -> Call {
    Call { gateway, key, began, ended, status }
}

fn judged(calls: &[Call]) -> Vec<Violation> {
    judge(&LIVES, calls, BOUND)
}

#[test]
fn what_is_as_it_may_be_is_let_be() {
    let calls = [
        // Not heard of yet; then known; answered late, within the bound.
        call(0, 0, 1_010, 1_020, 401),
        call(0, 0, 1_500, 1_510, 200),
        call(0, 0, 2_050, 2_060, 200),
        call(0, 1, 2_055, 2_065, 401),
        call(0, 1, 2_070, 2_080, 200),
        call(0, 0, 2_090, 2_095, 401),
        call(0, 1, 3_050, 3_060, 401),
        // Another gateway is behind the first, and two calls at once may be answered either way.
        call(1, 1, 3_070, 3_090, 200),
        call(1, 1, 3_080, 3_085, 401),
        call(1, 2, 4_000, 4_010, 401),
        call(1, 2, 4_050, 4_060, 200),
    ];
    assert_eq!(judged(&calls), []);
}

#[test]
fn two_keys_are_never_live_at_once() {
    let mut lives = LIVES;
    lives[1].created = 1_999;
    assert_eq!(judge(&lives, &[], BOUND), [Violation::TwoLive(0, 1)]);
    lives[1] = Life { created: 2_000, ended: None };
    assert_eq!(judge(&lives, &[], BOUND), [Violation::TwoLive(1, 2)]);
}

#[test]
fn a_key_is_accepted_while_it_lives_and_no_longer_than_the_bound_after_that() {
    let (early, late) = (call(0, 0, 980, 999, 200), call(0, 1, 3_101, 3_110, 200));
    assert_eq!(judged(&[early]), [Violation::AcceptedTooEarly(early)]);
    assert_eq!(judged(&[late]), [Violation::AcceptedTooLate(late)]);
    assert_eq!(judged(&[call(0, 1, 3_100, 3_110, 200)]), []);
}

#[test]
fn a_live_key_is_not_refused() {
    let refused = call(0, 2, 4_101, 4_110, 401);
    assert_eq!(judged(&[refused]), [Violation::RefusedWhileLive(refused)]);
    // Also before the bound, where the gateway has known it.
    let known = call(0, 2, 4_010, 4_020, 200);
    let early = call(0, 2, 4_030, 4_040, 401);
    assert_eq!(judged(&[known, early]), [Violation::RefusedTooEarly(early)]);
    // Nobody refuses before the commit what ends with it.
    let (known, early) = (call(0, 1, 2_050, 2_060, 200), call(0, 1, 2_080, 2_999, 401));
    assert_eq!(judged(&[known, early]), [Violation::RefusedTooEarly(early)]);
}

#[test]
fn no_gateway_goes_back() {
    // After it refused the key that it had known.
    let (known, refused) = (call(0, 1, 2_050, 2_060, 200), call(0, 1, 3_010, 3_020, 401));
    let back = call(0, 1, 3_030, 3_040, 200);
    assert_eq!(judged(&[known, refused, back]), [Violation::WentBack(back)]);
    assert_eq!(judged(&[known, call(1, 1, 3_010, 3_020, 401), back]), [], "another gateway is another one");
    // After it accepted the one that replaced it.
    let (newer, back) = (call(0, 1, 2_010, 2_020, 200), call(0, 0, 2_030, 2_040, 200));
    assert_eq!(judged(&[newer, back]), [Violation::WentBack(back)]);
    assert_eq!(judged(&[newer, call(0, 0, 2_015, 2_040, 200)]), [], "it began before that was shown");
}

#[test]
fn what_is_neither_a_yes_nor_a_no_is_told() {
    for status in [0, 500, 503] {
        let strange = call(0, 2, 4_200, 4_210, status);
        assert_eq!(judged(&[strange]), [Violation::NoVerdict(strange)]);
    }
}

#[test]
fn a_delay_lasts_from_the_commit_to_the_end_of_the_first_no() {
    let calls = [
        call(0, 0, 1_500, 1_510, 200),
        call(1, 0, 1_500, 1_510, 200),
        call(0, 0, 2_010, 2_020, 200),
        call(0, 0, 2_030, 2_040, 401),
        call(0, 0, 2_050, 2_060, 401),
        call(1, 0, 2_001, 2_010, 401),
        // It never knew this one: its no tells nothing.
        call(1, 1, 3_010, 3_020, 401),
    ];
    let delays = delays(&LIVES, &calls);
    assert_eq!((delays.all, delays.last), (vec![10, 40], vec![40]));
}
