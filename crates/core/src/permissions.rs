//! What an administrator lets agents do through a connection. One rule for tools, Graph and access tokens alike, so
//! that there is no way round: [`Permissions::check`].

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What an act does, by what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Act {
    /// Looks only.
    Read,
    /// Changes what only the account itself sees: drafts, folders, flags, contacts.
    Draft,
    /// Reaches other people, and can't be taken back.
    Send,
    /// Removes something.
    Delete,
}

impl Act {
    pub const ALL: [Self; 4] = [Self::Read, Self::Draft, Self::Send, Self::Delete];

    /// The word in rows, answers and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Draft => "draft",
            Self::Send => "send",
            Self::Delete => "delete",
        }
    }
}

/// What an administrator has said to one kind of act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Permission {
    Allow,
    /// A person is asked each time.
    Ask,
    Deny,
}

impl Permission {
    /// The word in rows and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    /// What a word of a row stands for. One of a newer version permits nothing.
    pub fn known(text: &str) -> Self {
        match text {
            "allow" => Self::Allow,
            "ask" => Self::Ask,
            _ => Self::Deny,
        }
    }
}

/// How far agents reach into the provider's API by calls of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum GraphReach {
    /// Not at all: by the tools only.
    Off,
    /// Calls that only look.
    ReadOnly,
    /// All that was granted, each call as its kind of act is permitted.
    Granted,
}

impl GraphReach {
    /// The word in rows and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::ReadOnly => "read_only",
            Self::Granted => "granted",
        }
    }

    /// What a word of a row stands for. One of a newer version opens nothing.
    pub fn known(text: &str) -> Self {
        match text {
            "granted" => Self::Granted,
            "read_only" => Self::ReadOnly,
            _ => Self::Off,
        }
    }
}

/// What agents may do through one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Permissions {
    pub read: Permission,
    pub draft: Permission,
    pub send: Permission,
    pub delete: Permission,
    /// By calls of their own to Graph.
    pub graph: GraphReach,
    /// Whether they may have the access token itself: whoever holds it can do all that was granted.
    pub token: bool,
}

/// Of a new connection: agents read and draft; what can't be taken back waits for a person's yes.
impl Default for Permissions {
    fn default() -> Self {
        Self {
            read: Permission::Allow,
            draft: Permission::Allow,
            send: Permission::Ask,
            delete: Permission::Ask,
            graph: GraphReach::ReadOnly,
            token: false,
        }
    }
}

/// How an agent wants to use a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// By a tool.
    Tool(Act),
    /// By a call of its own to Graph; `None`: what that does is not known.
    Graph(Option<Act>),
    /// With the access token in its own hands.
    Token,
}

/// Whether a use that is permitted may be had at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leave {
    Given,
    /// A person has to say yes first.
    Asked,
}

/// What stands in the way of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Act(Act),
    /// The call's kind is not known: it needs leave for everything.
    Unknown,
    /// Calls of their own to Graph are off, or the call does more than look.
    Graph,
    Token,
}

impl Missing {
    /// What agents may not do, as the end of "Agents may not …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Act(Act::Read) => "read",
            Self::Act(Act::Draft) => "write drafts or change anything in the account",
            Self::Act(Act::Send) => "send, invite or post",
            Self::Act(Act::Delete) => "delete",
            Self::Unknown => {
                "make a call whose effect is not known here, where any of reading, drafts, sending and deleting is denied,"
            }
            Self::Graph => "make this call to Graph by themselves",
            Self::Token => "have the access token itself",
        }
    }

    /// Which permission it is, as commands and the window call it.
    pub fn permission(self) -> &'static str {
        match self {
            Self::Act(act) => act.as_str(),
            Self::Unknown => "read, draft, send and delete",
            Self::Graph => "graph",
            Self::Token => "token",
        }
    }
}

impl Permissions {
    /// Everything that the account granted.
    pub fn everything() -> Self {
        Self {
            read: Permission::Allow,
            draft: Permission::Allow,
            send: Permission::Allow,
            delete: Permission::Allow,
            graph: GraphReach::Granted,
            token: true,
        }
    }

    /// The kinds of act that are allowed.
    pub fn allowed(&self) -> impl Iterator<Item = Act> {
        Act::ALL.into_iter().filter(|act| self.of(*act) == Permission::Allow)
    }

    /// What was said to this kind of act.
    pub fn of(&self, act: Act) -> Permission {
        match act {
            Act::Read => self.read,
            Act::Draft => self.draft,
            Act::Send => self.send,
            Act::Delete => self.delete,
        }
    }

    /// The rule. Whoever holds the token can do everything, so a token is handed out only where that is allowed by
    /// itself. A call of Graph's has to pass for both, its reach and its kind of act; what it does where that is not
    /// known is for a person to judge.
    pub fn check(&self, asked: Intent) -> Result<Leave, Missing> {
        let act = |act| match self.of(act) {
            Permission::Allow => Ok(Leave::Given),
            Permission::Ask => Ok(Leave::Asked),
            Permission::Deny => Err(Missing::Act(act)),
        };
        match asked {
            Intent::Tool(kind) => act(kind),
            Intent::Token if self.token => Ok(Leave::Given),
            Intent::Token => Err(Missing::Token),
            Intent::Graph(kind) => match (self.graph, kind) {
                (GraphReach::ReadOnly, Some(Act::Read)) => act(Act::Read),
                // What is changed is answered whole.
                (GraphReach::Granted, Some(kind)) => act(Act::Read).and_then(|_| act(kind)),
                (GraphReach::Granted, None) => {
                    let all = Act::ALL.into_iter().map(act).collect::<Result<Vec<_>, _>>();
                    all.map(|all| all.into_iter().max().unwrap_or(Leave::Asked)).map_err(|_| Missing::Unknown)
                }
                (GraphReach::Off | GraphReach::ReadOnly, _) => Err(Missing::Graph),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission() -> impl Strategy<Value = Permission> {
        prop_oneof![Just(Permission::Allow), Just(Permission::Ask), Just(Permission::Deny)]
    }

    fn permissions() -> impl Strategy<Value = Permissions> {
        let reach = prop_oneof![Just(GraphReach::Off), Just(GraphReach::ReadOnly), Just(GraphReach::Granted)];
        let acts = (permission(), permission(), permission(), permission());
        (acts, reach, any::<bool>()).prop_map(|((read, draft, send, delete), graph, token)| Permissions {
            read,
            draft,
            send,
            delete,
            graph,
            token,
        })
    }

    proptest! {
        #[test]
        fn graph_is_no_way_round_what_a_tool_may_not_do(given in permissions()) {
            for act in Act::ALL {
                let by_tool = given.check(Intent::Tool(act));
                prop_assert_eq!(by_tool.is_err(), given.of(act) == Permission::Deny);
                prop_assert_eq!(by_tool == Ok(Leave::Given), given.of(act) == Permission::Allow);
                if let Ok(leave) = given.check(Intent::Graph(Some(act))) {
                    prop_assert_eq!(by_tool, Ok(leave));
                }
                if let Ok(leave) = given.check(Intent::Graph(None)) {
                    prop_assert!(by_tool.is_ok_and(|by_tool| by_tool <= leave), "the unknown counts as the worst of all");
                }
            }
            prop_assert_eq!(given.check(Intent::Token).is_ok(), given.token);
        }
    }

    #[test]
    fn a_new_connection_lets_agents_read_and_draft_only() {
        let new = Permissions::default();
        let passes = |asked| new.check(asked) == Ok(Leave::Given);
        assert!(
            passes(Intent::Tool(Act::Read))
                && passes(Intent::Tool(Act::Draft))
                && passes(Intent::Graph(Some(Act::Read)))
        );
        for asked in [Intent::Tool(Act::Send), Intent::Tool(Act::Delete)] {
            assert_eq!(new.check(asked), Ok(Leave::Asked), "{asked:?}");
        }
        for refused in
            [Intent::Graph(Some(Act::Draft)), Intent::Graph(Some(Act::Send)), Intent::Graph(None), Intent::Token]
        {
            assert!(!passes(refused), "{refused:?}");
        }
        assert!(
            [Intent::Graph(None), Intent::Token]
                .iter()
                .all(|asked| Permissions::everything().check(*asked) == Ok(Leave::Given))
        );
    }

    #[test]
    fn words_of_a_newer_version_permit_nothing() {
        assert_eq!((Permission::known("later"), GraphReach::known("some")), (Permission::Deny, GraphReach::Off));
    }
}
