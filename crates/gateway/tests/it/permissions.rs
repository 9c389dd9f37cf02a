//! What agents may do through a connection holds for Graph and the token alike.

use atthene_core::permissions::{GraphReach, Permission, Permissions};

use crate::connections::World;

fn code(answer: &crate::common::Answer) -> Option<String> {
    (answer.status != 200).then(|| answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn agents_read_with_a_new_connection_and_get_no_further() {
    let world = World::start();
    let id = world.connect_only("access-1");
    let call = |line: &str| {
        let (method, path) = line.split_once(' ').expect("two words");
        world.call(&format!("{method} /api/amas/connections/{}/{path}", id.as_str()), b"{}")
    };
    assert_eq!(code(&call("GET graph/v1.0/me/messages")), None);
    for line in [
        "POST token",
        "POST graph/v1.0/me/sendMail",
        "POST graph/v1.0/me/%73endMail",
        "POST graph/v1.0/me/microsoft.graph.sendMail",
        "POST graph/v1.0/me/messages/1/send",
        "POST graph/v1.0/$batch",
        "POST graph/v1.0/me/messages",
        "DELETE graph/v1.0/me/messages/1",
        "PUT graph/v1.0/me/drive/root:/a.txt:/content",
        "PROPFIND graph/v1.0/me",
    ] {
        assert_eq!(code(&call(line)).as_deref(), Some("not_permitted"), "{line}");
    }
    let told = call("POST graph/v1.0/me/sendMail").json();
    let detail = told["detail"].as_str().expect("a text");
    assert!(told["status"] == 403 && detail.contains("ada@contoso.com") && detail.contains("page Tools"), "{detail}");
}

#[test]
fn each_permission_opens_its_kind_of_act_and_no_other() {
    let world = World::start();
    let id = world.connect_only("access-1");
    let kinds = [
        ("GET", "graph/v1.0/me/messages"),
        ("POST", "graph/v1.0/me/messages"),
        ("POST", "graph/v1.0/me/sendMail"),
        ("DELETE", "graph/v1.0/me/messages/1"),
        ("POST", "token"),
        ("POST", "graph/v1.0/$batch"),
    ];
    let deny = Permission::Deny;
    let nothing =
        Permissions { read: deny, draft: deny, send: deny, delete: deny, graph: GraphReach::Granted, token: false };
    let allow = Permission::Allow;
    let given = [
        Permissions { read: allow, ..nothing },
        Permissions { draft: allow, ..nothing },
        Permissions { send: allow, ..nothing },
        Permissions { delete: allow, ..nothing },
        Permissions { token: true, ..nothing },
        Permissions::everything(),
    ];
    for (opened, permissions) in given.into_iter().enumerate() {
        world.permit(&id, permissions);
        for (at, (method, path)) in kinds.iter().enumerate() {
            let answer = world.call(&format!("{method} /api/amas/connections/{}/{path}", id.as_str()), b"{}");
            let passes = at == opened || permissions == Permissions::everything();
            assert_eq!(answer.status == 200, passes, "{permissions:?} {method} {path}: {}", answer.body);
        }
    }
    // Off is off, whatever else is allowed.
    world.permit(&id, Permissions { graph: GraphReach::Off, ..Permissions::everything() });
    let answer = world.call(&format!("GET /api/amas/connections/{}/graph/v1.0/me", id.as_str()), b"");
    assert_eq!(code(&answer).as_deref(), Some("not_permitted"));
}
