//! What agents and people do with a real gateway, drawn at random: calls by tool, Graph and token, repeats, answers,
//! permissions, crashes; and a judge that looks at what reached Graph.
//!
//! The judge knows what was asked for, what a person said yes to and what was permitted meanwhile. It shares no rule
//! with the product: each drawn deed says by itself what it does.

mod deeds;
mod diary;
mod essence;
mod judge;
mod office;
mod people;
mod scene;
mod tally;
mod wire;

pub use scene::Scene;
pub use tally::Tally;
