//! The documentation of the chat's JSON protocol: what it says is what the tables and the schema say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use wireworks::proto::chat::json::{Access, Asked, VERBS};

use crate::chat::Server;
use crate::support::tool::Tool;

const PAGE: &str = "docs/chat-protocol.md";
const SCHEMA: &str = "docs/chat-protocol.schema.json";
const BEGIN: &str =
    "<!-- verbs: printed from the table; UPDATE_DOCS=1 cargo test --test integration chat_protocol -->\n";
const END: &str = "<!-- /verbs -->";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read(SCHEMA)).unwrap()
}

/// The rows of the verbs, as the page has them.
fn printed() -> String {
    let mut text = String::from("| verb | who | |\n|---|---|---|\n");
    for verb in VERBS {
        let who = match verb.access {
            Access::Anyone => "anybody",
            Access::User => "who has come in",
            Access::Account => "accounts",
        };
        writeln!(text, "| `{}` | {who} | {}<br>`{}` |", verb.name, verb.help.trim(), verb.example).unwrap();
    }
    text
}

#[test]
fn the_page_has_the_verbs_of_the_table() {
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", printed())).unwrap();
    } else {
        assert_eq!(shown, printed(), "the table has changed: UPDATE_DOCS=1 prints it again");
    }
}

#[test]
fn the_schema_has_the_verbs_and_their_fields() {
    let schema = schema();
    let defs = schema["$defs"].as_object().unwrap();
    let described: BTreeSet<&str> = defs.keys().filter_map(|name| name.strip_prefix("request_")).collect();
    // A request's own name is described beside the requests.
    let described: BTreeSet<&str> = described.into_iter().filter(|name| *name != "id").collect();
    let known: BTreeSet<&str> = VERBS.iter().map(|verb| verb.name).collect();
    assert_eq!(described, known);
    for verb in VERBS {
        let request = &defs[&format!("request_{}", verb.name)];
        let examples = request["examples"].as_array().unwrap();
        assert_eq!(examples[0], serde_json::from_str::<Value>(verb.example).unwrap(), "{}", verb.name);
        assert_eq!(request["description"], verb.help.trim(), "{}", verb.name);
        // The last example has all fields, and each of them is one that the server knows.
        let all = examples.last().unwrap();
        Asked::parse(&all.to_string()).unwrap_or_else(|(_, error)| panic!("{all}: {error}"));
        for field in request["properties"].as_object().unwrap().keys() {
            assert!(all.get(field).is_some() || field == "id", "{}: {field}", verb.name);
        }
        for field in request["required"].as_array().unwrap() {
            let mut without = all.as_object().unwrap().clone();
            without.remove(field.as_str().unwrap());
            let text = Value::Object(without).to_string();
            assert!(Asked::parse(&text).is_err(), "{text} lacks {field}");
        }
    }
}

#[test]
fn the_page_has_the_events_of_the_schema() {
    let page = read(PAGE);
    let schema = schema();
    let defs = schema["$defs"].as_object().unwrap();
    for (name, event) in defs {
        let Some(name) = name.strip_prefix("event_").or_else(|| name.strip_prefix("told_")) else { continue };
        if !["hello", "ok", "error"].contains(&name) {
            let row = page.lines().find(|line| {
                line.starts_with(&format!("| `{name}` |"))
                    && line.contains(event["description"].as_str().unwrap())
            });
            assert!(row.is_some(), "{name}");
        }
    }
}

/// What stands between `begin` and the next quotation mark, wherever it is a code.
fn codes(source: &str, begin: &str) -> Vec<String> {
    let words = source.split(begin).skip(1).filter_map(|rest| rest.split('"').next());
    let is_code =
        |word: &&str| word.contains('_') || ["closed", "full", "busy", "direct", "deleted"].contains(word);
    words.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn the_page_explains_each_code_of_an_error() {
    let page = read(PAGE);
    let errors = page.split_once("## Errors").unwrap().1.split("\n## ").next().unwrap();
    let mut known = codes(&read("src/proto/chat/json/mod.rs"), "=> \"");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/chat/json");
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        known.extend(codes(&source, "Failure::new(\""));
        known.extend(codes(&source, "Self::new(\""));
        if source.contains("fn code(") {
            known.extend(codes(&source, "=> \""));
        }
    }
    assert!(known.len() > 30, "{known:?}");
    for code in known {
        assert!(errors.contains(&format!("`{code}`")), "{code} is not in {PAGE}");
    }
}

/// Validates examples by an implementation of JSON Schema that is not ours.
const VALIDATE: &str = r##"
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
defs = schema["$defs"]
def fits(name, value):
    return jsonschema.Draft202012Validator({"$ref": "#/$defs/" + name, "$defs": defs}).is_valid(value)
good = bad = 0
for name, request in defs.items():
    for example in request.get("examples", []):
        assert fits("request", example), example
        good += 1
        assert not fits("request", {**example, "surprise": 1}), example
        for field in request["required"]:
            assert not fits("request", {key: value for key, value in example.items() if key != field}), (example, field)
            bad += 1
print("valid" if good > 60 and bad > 60 else (good, bad))
"##;

#[test]
fn the_examples_fit_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    let shown = Tool::python(VALIDATE).args([path]).run().success();
    assert_eq!(shown.text().trim(), "valid", "{}", shown.stderr);
}

/// Talks to a server by all verbs that two people need, and validates each word of both sides by the schema.
const CONVERSE: &str = r##"
import json, sys
import jsonschema
from websockets.sync.client import connect
url, path = sys.argv[1:]
defs = json.load(open(path))["$defs"]
valid = {name: jsonschema.Draft202012Validator({"$ref": "#/$defs/" + name, "$defs": defs}) for name in ["request", "told"]}
seen = set()
def check(kind, words):
    faults = [fault.message for fault in valid[kind].iter_errors(words)]
    assert not faults, (words, faults)
    seen.add((kind, words["t"]))
class Client:
    def __init__(self):
        self.socket, self.number = connect(url, subprotocols=["chat.v1.json"], open_timeout=60), 0
        assert self.hear()["t"] == "hello"
    def hear(self):
        words = json.loads(self.socket.recv(timeout=60))
        check("told", words)
        return words
    def ask(self, t, expected="ok", **fields):
        self.number += 1
        words = {"t": t, "id": self.number, **fields}
        check("request", words)
        self.socket.send(json.dumps(words))
        while (reply := self.hear()).get("re") != self.number:
            pass
        assert reply["t"] == expected, (words, reply)
        return reply
    def until(self, t):
        while (words := self.hear())["t"] != t:
            pass
        return words
alice, bob = Client(), Client()
room = "#garden"
alice.ask("help")
alice.ask("send", "error", room=room, text="Hello")
token = alice.ask("register", account="alice", password="correct horse battery", device="test")["token"]
alice.ask("sessions")
alice.ask("create", room=room)
bob.ask("register", account="bob", password="battery staple horse")
bob.ask("rooms")
bob.ask("join", room=room)
alice.until("join")
alice.ask("topic", room=room, topic="Roses")
first = alice.ask("send", room=room, text="Hello, *bob*", cid="a1")
assert alice.ask("send", room=room, text="Hello, *bob*", cid="a1")["id"] == first["id"]
bob.until("message")
bob.ask("send", room=room, text="Hi", reply=first["id"])
bob.ask("send", room=room, text="Aside", thread=first["id"])
bob.ask("react", room=room, message=first["id"], reaction="+1")
bob.ask("edit", "error", room=room, message=first["id"], text="Not mine")
alice.until("react")
alice.ask("edit", room=room, message=first["id"], text="Hello, bob")
bob.until("edit")
page = alice.ask("history", room=room, limit=10)
assert page["events"][0]["text"] == "Hello, bob" and page["events"][0]["reactions"][0]["by"] == ["bob"], page
thread = alice.ask("history", room=room, thread=first["id"])["events"]
assert [event["text"] for event in thread] == ["Hello, bob", "Aside"], thread
assert alice.ask("search", text="aside")["found"][0]["snippet"] == "\u0002Aside\u0003"
alice.ask("pin", room=room, message=first["id"])
assert alice.ask("pins", room=room)["events"][0]["id"] == first["id"]
bob.until("pin")
bob.ask("unreact", room=room, message=first["id"], reaction="+1")
bob.ask("typing", room=room, on=True)
alice.until("typing")
bob.ask("read", room=room, seq=first["seq"])
assert alice.until("cursor")["read"] == first["seq"]
alice.ask("receipts", room=room)
alice.ask("members", room=room)
alice.ask("role", room=room, name="bob", role="admin")
bob.until("role")
alice.ask("set", room=room, slow=1)
bob.until("set")
alice.ask("set", room=room, slow=0)
alice.ask("list", room=room, list="mutes", mask="mallory", seconds=600, reason="Noise")
bob.until("list")
alice.ask("lists", room=room)
alice.ask("unlist", room=room, list="mutes", mask="mallory")
alice.ask("audit", room=room)
alice.ask("whois", name="bob")
alice.ask("profile", display="Alice Liddell")
bob.ask("watch", names=["alice"])
alice.ask("presence", presence="away", status="Tea")
while bob.until("presence")["presence"] != "away":
    pass
alice.ask("send", room="bob", text="Psst")
while bob.until("message")["room"] != "alice":
    pass
alice.ask("create", room="#den", kind="private")
alice.ask("invite", room="#den", name="bob")
bob.until("invited")
bob.ask("delete", room=room, message=first["id"], reason="Old")
alice.until("delete")
alice.ask("kick", room=room, name="bob", reason="Later")
bob.until("kick")
last = alice.ask("room", room=room)["room"]["seq"]
alice.socket.close()
again = Client()
resumed = again.ask("token", token=token, resume={room: last - 2})
assert resumed["resumed"][room] == {"to": last}, resumed
again.ask("leave", room=room)
again.ask("logout")
print(len(seen))
"##;

#[test]
fn a_conversation_fits_the_schema() {
    let server = Server::start();
    let url = format!("ws://{}/chat", server.addr);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    let told = Tool::python(CONVERSE).args([Path::new(&url), &path]).run().success();
    assert!(told.text().trim().parse::<usize>().unwrap() > 50, "{}", told.text());
    drop(server);
}
