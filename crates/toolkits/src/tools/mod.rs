//! The tools of agents: what is offered ([`tools`]), and one way in for all of them ([`call`]). Each tool's listing
//! stands beside its work. What others wrote is cleaned, cut and fenced before an agent reads it.

mod arguments;
mod asking;
mod attachments;
mod calendar;
mod call;
mod choose;
mod client;
mod contacts;
mod cursor;
mod dispatch;
mod drafts;
mod error;
mod fence;
mod folders;
mod html;
mod invites;
mod mail;
mod paging;
mod people;
mod posts;
mod repair;
mod run;
mod schema;
mod sends;
mod shorten;
mod teams;
mod text;
mod tool;

pub use call::call;
pub use dispatch::tools;
pub use error::{GraphRefusal, ToolError};
pub use tool::{Tool, ToolAnswer, ToolCaller};
