//! Which tools there are, and which code does the work of each.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::error::ToolError;
use super::run::Run;
use super::tool::Tool;
use super::{arguments, attachments, calendar, contacts, drafts, invites, mail, posts, sends, teams};

/// All tools, always in the same order.
pub fn tools() -> &'static [Tool] {
    static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
        let rooms = [
            mail::tools(),
            attachments::tools(),
            drafts::tools(),
            sends::tools(),
            calendar::tools(),
            invites::tools(),
            contacts::tools(),
            teams::tools(),
            posts::tools(),
        ];
        rooms.into_iter().flatten().collect()
    });
    &TOOLS
}

/// Does the work of this tool.
pub(super) async fn dispatch(run: &Run<'_>, tool: &Tool, given: &Map<String, Value>) -> Result<Value, ToolError> {
    match tool.name {
        "mail_search" => mail::search(run, arguments::read(given)?).await,
        "mail_read" => mail::read(run, arguments::read(given)?).await,
        "attachment_get" => attachments::get(run, arguments::read(given)?).await,
        "mail_draft" => drafts::draft(run, arguments::read(given)?).await,
        "mail_move" => drafts::move_to(run, arguments::read(given)?).await,
        "calendar_list" => calendar::list(run, arguments::read(given)?).await,
        "calendar_find_time" => calendar::find_time(run, arguments::read(given)?).await,
        "contacts_search" => contacts::search(run, arguments::read(given)?).await,
        "chats_list" => teams::chats(run, arguments::read(given)?).await,
        "chat_read" => teams::chat(run, arguments::read(given)?).await,
        "channels_list" => teams::channels(run, arguments::read(given)?).await,
        "channel_read" => teams::channel(run, arguments::read(given)?).await,
        "mail_send" => sends::send(run, arguments::read(given)?).await,
        "mail_reply" => sends::reply(run, arguments::read(given)?).await,
        "event_create" => invites::create(run, arguments::read(given)?).await,
        "event_respond" => invites::respond(run, arguments::read(given)?).await,
        "chat_send" => posts::to_chat(run, arguments::read(given)?).await,
        "channel_send" => posts::to_channel(run, arguments::read(given)?).await,
        name => Err(ToolError::Unknown(name.to_owned())),
    }
}
