//! What a call to Microsoft Graph does, by its method and path alone. A list of what is known: what is not on it, or
//! could be read in two ways, is not known.

use atthene_core::permissions::Act::{self, Delete, Draft, Read, Send};
use http::Method;

/// Below `me`, folders and calendars are left out ([`seen`]); `*` is one id.
const KNOWN: &[(Act, &str, &str)] = &[
    (Read, "POST", "me/findmeetingtimes me/getschedule me/getmailtips me/translateexchangeids search/query"),
    (Read, "POST", "me/checkmembergroups me/checkmemberobjects me/getmembergroups me/getmemberobjects"),
    (Read, "POST", "communications/getpresencesbyuserid directoryobjects/getbyids groups/*/checkmembergroups"),
    (Draft, "POST", "me/messages me/messages/*/createreply me/messages/*/createreplyall me/messages/*/createforward"),
    (Draft, "POST", "me/messages/*/move me/messages/*/copy me/messages/*/attachments me/messages/*/extensions"),
    (Draft, "PATCH", "me/messages/* me/messages/*/extensions/*"),
    (Draft, "POST", "me/mailfolders me/mailfolders/*/move me/mailfolders/*/copy me/childfolders"),
    (Draft, "POST", "me/childfolders/*/move me/childfolders/*/copy me/contacts me/contactfolders"),
    (Draft, "PATCH", "me/mailfolders/* me/childfolders/* me/contacts/* me/contactfolders/*"),
    (Draft, "POST", "me/outlook/mastercategories me/inferenceclassification/overrides"),
    (Draft, "PATCH", "me/outlook/mastercategories/* me/inferenceclassification/overrides/*"),
    (Draft, "POST", "me/todo/lists me/todo/lists/*/tasks me/todo/lists/*/tasks/*/checklistitems"),
    (Draft, "PATCH", "me/todo/lists/* me/todo/lists/*/tasks/* me/todo/lists/*/tasks/*/checklistitems/*"),
    (Draft, "POST", "me/todo/lists/*/tasks/*/linkedresources me/events/*/dismissreminder me/events/*/snoozereminder"),
    (Send, "POST", "me/sendmail me/messages/*/send me/messages/*/reply me/messages/*/replyall me/messages/*/forward"),
    (Send, "POST", "me/messages/*/unsubscribe me/events me/events/*/accept me/events/*/tentativelyaccept"),
    (Send, "POST", "me/events/*/decline me/events/*/cancel me/events/*/forward me/events/*/attachments"),
    (Send, "PATCH", "me/events/* me/mailboxsettings"),
    (Send, "POST", "me/presence/setpresence me/presence/clearpresence me/presence/setstatusmessage"),
    (Send, "POST", "me/presence/setuserpreferredpresence me/presence/clearuserpreferredpresence"),
    (Send, "POST", "chats chats/*/messages chats/*/members chats/*/pinnedmessages chats/*/messages/replywithquote"),
    (Send, "POST", "chats/*/messages/*/setreaction chats/*/messages/*/unsetreaction"),
    (Send, "POST", "chats/*/messages/*/undosoftdelete chats/*/sendactivitynotification"),
    (Send, "POST", "me/teamwork/sendactivitynotification teams/*/sendactivitynotification"),
    (Send, "PATCH", "chats/* chats/*/messages/*"),
    (Send, "POST", "teams/*/channels/*/messages teams/*/channels/*/messages/*/replies"),
    (Send, "POST", "teams/*/channels/*/messages/*/setreaction teams/*/channels/*/messages/*/unsetreaction"),
    (Send, "POST", "teams/*/channels/*/messages/*/replies/*/setreaction"),
    (Send, "POST", "teams/*/channels/*/messages/*/replies/*/unsetreaction"),
    (Send, "PATCH", "teams/*/channels/*/messages/* teams/*/channels/*/messages/*/replies/*"),
    (Send, "POST", "groups/*/threads groups/*/threads/*/reply groups/*/conversations groups/*/events"),
    (Send, "POST", "groups/*/conversations/*/threads/*/reply groups/*/threads/*/posts/*/reply"),
    (Send, "PATCH", "groups/*/events/*"),
    (Delete, "POST", "me/messages/*/permanentdelete me/mailfolders/*/permanentdelete"),
    (Delete, "POST", "me/childfolders/*/permanentdelete me/contactfolders/*/permanentdelete"),
    (Delete, "POST", "me/contacts/*/permanentdelete me/calendars/*/permanentdelete chats/*/messages/*/softdelete"),
    (Delete, "POST", "teams/*/channels/*/messages/*/softdelete"),
    (Delete, "POST", "teams/*/channels/*/messages/*/replies/*/softdelete"),
];

/// Folders and calendars are left out only in front of these.
const INSIDE: [&str; 6] = ["messages", "childfolders", "contacts", "events", "calendars", "getschedule"];

/// What this call of an agent's own does; `None`: that is not known. Where a mail is moved to stands in the body: it may
/// be a folder out of which it is purged. So does whether it is marked as read, which tells its sender so where a receipt
/// was asked for.
pub fn act_of(method: &Method, path: &str) -> Option<Act> {
    act_of_tool(method, path).filter(|act| {
        let changes_a_mail = *method == Method::PATCH && holds(path, "messages") && !holds(path, "extensions");
        *act != Draft || !(changes_a_mail || ends_with(path, &["move"]))
    })
}

/// Whether a person can be shown what this call would send: not where it lies in the mailbox, and may be changed until
/// it leaves.
pub fn can_be_shown(method: &Method, path: &str) -> bool {
    let mails = ["send", "reply", "replyall", "forward"];
    act_of_tool(method, path) != Some(Send) || !holds(path, "messages") || !ends_with(path, &mails)
}

fn holds(path: &str, name: &str) -> bool {
    segments(path).is_some_and(|all| all.iter().any(|one| one == name))
}

fn ends_with(path: &str, names: &[&str]) -> bool {
    segments(path).is_some_and(|all| all.last().is_some_and(|last| names.contains(&last.as_str())))
}

/// The same of a tool, which looks at what it sends by itself. `path` begins with the version (`/v1.0/me`) and is as it is sent,
/// without its query.
pub(crate) fn act_of_tool(method: &Method, path: &str) -> Option<Act> {
    let (_version, path) = path.strip_prefix('/')?.split_once('/')?;
    match *method {
        Method::GET | Method::HEAD => looks(path).then_some(Read),
        // Who takes a meeting away tells everybody who was invited.
        Method::DELETE => segments(path)
            .filter(|path| !path.iter().any(|name| name == "events" || name.starts_with("calendar")))
            .map(|_| Delete),
        Method::POST | Method::PATCH => known(method.as_str(), segments(path)?),
        _ => None,
    }
}

/// Whether reading changes nothing, however the path is read. Below `shares`, a `Prefer` header makes it accept an
/// invitation.
fn looks(path: &str) -> bool {
    let read = decoded(&decoded(path.as_bytes())).to_ascii_lowercase();
    let mut names = read.split(|byte| matches!(byte, b'/' | b'\\')).filter_map(|name| {
        let name: Vec<u8> = name.iter().copied().filter(|byte| *byte > b' ').collect();
        let name = name.split(|byte| matches!(byte, b'(' | b';')).next().unwrap_or_default().to_vec();
        (!name.is_empty()).then_some(name)
    });
    names.next().is_some_and(|first| first != b"shares" && !dots(&first)) && !names.any(|name| dots(&name))
}

fn dots(name: &[u8]) -> bool {
    name == b"." || name == b".."
}

/// Decodes once.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, more)) = rest.split_first() {
        let digit =
            |at: usize| more.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            out.push(high << 4 | low);
            rest = more.get(2..).unwrap_or_default();
        } else {
            out.push(first);
            rest = more;
        }
    }
    out
}

/// The names and ids of a path, small and without `microsoft.graph.`. `None`: servers could read it in two ways.
fn segments(path: &str) -> Option<Vec<String>> {
    let odd = |text: &str| text.contains(|char: char| char.is_control() || matches!(char, '\\' | ';' | '?' | '%'));
    let mut out = Vec::new();
    for written in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = String::from_utf8(decoded(written.as_bytes())).ok()?.to_ascii_lowercase();
        if odd(&segment) || segment.contains('/') || segment.trim() != segment || dots(segment.as_bytes()) {
            return None;
        }
        let (name, key) = match segment.split_once('(') {
            Some((name, key)) => (name, key.strip_suffix(')')?),
            None => (segment.as_str(), ""),
        };
        if name.is_empty() || name.contains(')') || key.contains(['(', ')']) {
            return None;
        }
        let plain = name.strip_prefix("microsoft.graph.").or_else(|| name.strip_prefix("graph.")).unwrap_or(name);
        out.push(plain.to_owned());
        if !key.is_empty() {
            out.push(key.to_owned());
        }
    }
    Some(out)
}

fn known(method: &str, path: Vec<String>) -> Option<Act> {
    let others = path.first().is_some_and(|root| root == "users");
    let path = seen(path);
    let is = |pattern: &str| {
        let mut parts = pattern.split('/');
        path.iter().all(|given| parts.next().is_some_and(|part| part == "*" || part == given)) && parts.next().is_none()
    };
    let row = KNOWN.iter().find(|(_, with, patterns)| *with == method && patterns.split(' ').any(is));
    let act = row?.0;
    // Somebody else's mailbox, or one that several people see.
    (act != Draft || !others).then_some(act)
}

/// The same call in its shortest form: `users/…` as `me`, without the folders and calendars on the way.
fn seen(mut path: Vec<String>) -> Vec<String> {
    if path.first().is_some_and(|root| root == "users") && path.len() > 1 {
        path.splice(..2, ["me".to_owned()]);
    }
    let root = if path.first().is_some_and(|root| root == "groups") { 2 } else { 1 };
    let at = |path: &[String], at: usize, of: &[&str]| path.get(at).is_some_and(|name| of.contains(&name.as_str()));
    loop {
        let many = ["mailfolders", "childfolders", "contactfolders", "calendars", "calendargroups"];
        if at(&path, root, &many) && at(&path, root + 2, &INSIDE) {
            path.drain(root..root + 2);
        } else if at(&path, root, &["calendar"]) && at(&path, root + 1, &INSIDE) {
            path.remove(root);
        } else {
            break;
        }
    }
    // Chats of the account are the same chats.
    if at(&path, 0, &["me"]) && at(&path, 1, &["chats"]) {
        path.remove(0);
    }
    path
}

#[cfg(test)]
mod tests {
    use atthene_core::provider::Provider;

    use super::*;

    fn class(method: &str, path: &str) -> Option<Act> {
        act_of_tool(&method.parse().expect("a method"), &format!("/v1.0/{path}"))
    }

    fn word(act: Option<Act>) -> String {
        act.map_or_else(|| "Other".to_owned(), |act| format!("{act:?}"))
    }

    /// What each scope that names calls opens. A scope of the catalogue that names calls and is not here fails.
    #[rustfmt::skip]
    const OPENS: &[(&str, &str)] = &[
        ("User.Read", "Read GET me"), ("User.ReadBasic.All", "Read GET users|Read GET users/1"), ("User.Read.All", "Read GET me/manager"),
        ("People.Read", "Read GET me/people"), ("Mail.ReadBasic", "Read GET me/messages|Read GET me/mailFolders|Read GET me/mailFolders/1/messages/delta"),
        ("Mail.Read", "Read GET me/messages/1|Read GET me/messages/1/attachments/2/$value|Read POST search/query"),
        ("Mail.ReadWrite", "Draft POST me/messages|Draft PATCH me/messages/1|Delete DELETE me/messages/1|Draft POST me/messages/1/createReply|Draft POST me/messages/1/move|Draft POST me/messages/1/attachments|Delete POST me/messages/1/permanentDelete|Other POST me/messages/1/attachments/createUploadSession"),
        ("Mail.Send", "Send POST me/sendMail|Send POST me/messages/1/send|Send POST me/messages/1/reply|Send POST me/messages/1/replyAll|Send POST me/messages/1/forward"),
        ("Mail.Read.Shared", "Read GET users/1/messages"), ("MailboxSettings.Read", "Read GET me/mailboxSettings|Read GET me/mailFolders/inbox/messageRules|Read GET me/outlook/masterCategories"),
        ("MailboxSettings.ReadWrite", "Send PATCH me/mailboxSettings|Other POST me/mailFolders/inbox/messageRules|Draft POST me/outlook/masterCategories"),
        ("MailboxFolder.Read", "Read GET admin/exchange/mailboxes/1/folders"), ("MailboxItem.Read", "Read GET admin/exchange/mailboxes/1/folders/2/items"),
        ("Calendars.ReadBasic", "Read GET me/events|Read GET me/calendars|Read POST me/calendar/getSchedule"), ("Calendars.Read", "Read GET me/events/1|Read GET me/events/1/attachments"),
        ("Calendars.ReadWrite", "Send POST me/events|Send PATCH me/calendars/1/events/2|Other DELETE me/events/1|Send POST me/calendarGroups/1/calendars/2/events/3/accept"),
        ("Calendars.Read.Shared", "Read POST me/findMeetingTimes"), ("Contacts.Read", "Read GET me/contacts"), ("Contacts.ReadWrite", "Draft POST me/contacts|Draft POST me/contactFolders/1/contacts"),
        ("Tasks.Read", "Read GET me/todo/lists|Read GET me/todo/lists/1/tasks"), ("Tasks.ReadWrite", "Draft POST me/todo/lists/1/tasks"), ("Place.Read.All", "Read GET places/microsoft.graph.room"),
        ("Team.ReadBasic.All", "Read GET me/joinedTeams|Read GET teams/1"), ("Channel.ReadBasic.All", "Read GET teams/1/channels|Read GET teams/1/allChannels"),
        ("ChannelMessage.Read.All", "Read GET teams/1/channels/2/messages|Read GET teams/1/channels/2/messages/3/replies"),
        ("ChannelMessage.Send", "Send POST teams/1/channels/2/messages|Send POST teams/1/channels/2/messages/3/replies"), ("ChannelMember.Read.All", "Read GET teams/1/channels/2/members"),
        ("TeamMember.Read.All", "Read GET teams/1/members"), ("Chat.ReadBasic", "Read GET me/chats|Read GET chats/1|Read GET chats/1/members"), ("Chat.Read", "Read GET chats/1/messages"),
        ("Chat.ReadWrite", "Send PATCH chats/1/messages/2"), ("Chat.Create", "Send POST chats"), ("ChatMessage.Send", "Send POST chats/19%3Aabc%40thread.v2/messages"),
        ("ChatMember.ReadWrite", "Send POST chats/1/members"), ("OnlineMeetings.Read", "Read GET me/onlineMeetings/1"), ("OnlineMeetings.ReadWrite", "Other POST me/onlineMeetings"),
        ("OnlineMeetingTranscript.Read.All", "Read GET me/onlineMeetings/1/transcripts/2/content"), ("Presence.Read", "Read GET me/presence"),
        ("Presence.Read.All", "Read POST communications/getPresencesByUserId"), ("Files.Read", "Read GET me/drive|Read GET me/drive/root:/Rabatt%20100%25.xlsx:/content"),
        ("Files.Read.All", "Read GET drives/1/items/2"),
        ("Files.ReadWrite", "Read GET me/drive/root/children|Other PUT me/drive/root:/a.txt:/content|Other POST me/drive/items/1/createLink|Other POST me/drive/items/1/invite"),
    ];

    #[test]
    fn every_scope_that_names_calls_is_considered() {
        for scope in atthene_identity::catalogue(Provider::Microsoft).scopes {
            let names_no_call = matches!(scope.least_for, "" | "sign-in");
            let scope = scope.name;
            let opens = OPENS.iter().find(|(of, _)| *of == scope);
            assert_eq!(opens.is_none(), names_no_call, "{scope}");
            for call in opens.map(|row| row.1).unwrap_or_default().split('|').filter(|call| !call.is_empty()) {
                let [act, method, path] = call.split(' ').collect::<Vec<_>>()[..] else { panic!("{call}") };
                assert_eq!(word(class(method, path)), act, "{scope}: {call}");
                // What a scope's name promises is never less than what its calls do.
                assert!(act == "Read" || !scope.contains("Read") || scope.contains("ReadWrite"), "{scope}: {call}");
                assert!(act == "Send" || !scope.ends_with("Send"), "{scope}: {call}");
            }
        }
    }

    #[test]
    fn sending_is_seen_however_it_is_written() {
        for path in [
            "me/sendMail",
            "ME/SENDMAIL",
            "me/sendMail/",
            "//me//sendMail",
            "me/%73endMail",
            "%6de/sendMail",
            "me/microsoft.graph.sendMail",
            "me/sendMail()",
            "users/ada@contoso.com/sendMail",
            "users('ada@contoso.com')/microsoft.graph.sendMail",
            "users/x%23EXT%23@contoso.com/sendMail",
            "users(%27x%27)/sendMail",
            "me/messages('1')/send",
            "me/messages(id='1')/microsoft.graph.reply",
            "me/mailFolders('drafts')/messages/1/send",
            "me/mailFolders/1/childFolders/2/messages/3/forward",
            "me/events",
            "me/calendar/events",
            "users/x/calendars/1/events",
            "groups/1/calendar/events",
            "me/chats/1/messages",
            "groups/1/threads/2/reply",
        ] {
            assert_eq!(class("POST", path), Some(Send), "{path}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_known() {
        for path in [
            "",
            "me",
            "$batch",
            "me/sendMail;x=1",
            "me;x/messages",
            "me/messages/1%2fsend",
            "me/messages%2f1/move",
            "me/%2573endMail",
            "me\\messages",
            "me/messages%5c",
            "me/messages?x",
            "me/messages/../sendMail",
            "me/messages/%2e%2e/sendMail",
            "me/./messages",
            "me/messages%00",
            "me/messages%20",
            " me/messages",
            "me/messages('a/send')",
            "me/messages('1')x/move",
            "me/messages((1))/move",
            "me/messages%zz",
            "me/messages/%ff/move",
            "users/grace@contoso.com/messages",
            "me/messages/1/move/send",
            "me/messages/1/microsoft.graph.eventMessage/move",
            "me/mailFolders/1",
            "messages",
            "v1.0/me/messages",
            "subscriptions",
            "me/messages/1/attachments/createUploadSession",
            "teams/1/members",
            "groups/1/members/$ref",
            "me/drive/root/createLink",
            "invitations",
            "users",
            "me/changePassword",
            "me/revokeSignInSessions",
            "me/events/1/attachments/createUploadSession",
            "me/messages/1/markAsJunk",
            "chats/1/installedApps",
            "chats/1/markChatReadForUser",
            "teams/1/channels",
            "me/calendar/calendarPermissions",
            "me/ſendMail",
        ] {
            assert_eq!(class("POST", path), None, "{path}");
        }
        for (method, path) in [
            ("PUT", "me/photo/$value"),
            ("PUT", "me/messages/1/$value"),
            ("PATCH", "me"),
            ("PATCH", "me/mailFolders/inbox/messageRules/1"),
            ("PATCH", "me/photo/$value"),
            ("post", "me/messages"),
            ("OPTIONS", "me"),
            ("MERGE", "me/messages/1"),
            ("DELETE", "me/messages/%2e%2e/x"),
            ("DELETE", "groups/1/calendar/events/2"),
            ("GET", ""),
            ("GET", "shares/u!x/driveItem"),
            ("GET", "//%73hares/x"),
            ("GET", "me/../shares/x"),
            ("GET", "me/%252e%252e/shares/x"),
            ("HEAD", "shares('x')"),
        ] {
            assert_eq!(class(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn where_a_mail_goes_or_what_a_draft_holds_is_not_seen_from_the_call() {
        let call = |path: &str| act_of(&Method::POST, &format!("/v1.0/{path}"));
        for path in [
            "me/messages/1/move",
            "me/messages/1/%6dove",
            "me/mailFolders/1/move",
            "me/childFolders/1/microsoft.graph.move",
        ] {
            assert_eq!(call(path), None, "{path}");
        }
        assert_eq!(call("me/messages/1/copy"), Some(Draft));
        let change = |path: &str| act_of(&Method::PATCH, &format!("/v1.0/{path}"));
        for path in ["me/messages/1", "ME//%6dessages('1')", "me/mailFolders/inbox/messages/1", "users/x/messages/1"] {
            assert_eq!(change(path), None, "{path}: it may be marked as read, which sends a receipt");
        }
        assert_eq!((change("me/messages/1/extensions/2"), change("me/contacts/1")), (Some(Draft), Some(Draft)));
        let shown = |path: &str| can_be_shown(&Method::POST, &format!("/v1.0/{path}"));
        for path in [
            "me/messages/1/send",
            "me/messages/1/SEND/",
            "users/x/mailFolders/1/messages/2/microsoft.graph.forward",
            "me/%6dessages/1/reply",
        ] {
            assert!(!shown(path), "{path}");
        }
        assert!(shown("me/sendMail") && shown("me/events/1/forward") && shown("chats/1/messages"));
    }

    #[test]
    fn each_row_is_what_it_says_and_stands_once() {
        let mut all: Vec<(&str, &str)> = Vec::new();
        for (act, method, patterns) in KNOWN {
            for pattern in patterns.split(' ') {
                assert!(!all.contains(&(method, pattern)), "{pattern}");
                all.push((method, pattern));
                assert_eq!(class(method, &pattern.replace('*', "AAMk-_%3D%3D")), Some(*act), "{pattern}");
                assert_eq!(class(method, &format!("{pattern}/x/y")), None, "{pattern}");
                assert_eq!(class("PUT", pattern), None);
            }
        }
    }
}
