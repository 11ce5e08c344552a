//! The door over connections in memory: what a client types, and what it reads.

mod store;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

use self::store::Memory;
use super::{Door, Settings};
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::serve::Arrival;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::chat::accounts::config::{Attempts, Hashing};
use crate::server::chat::accounts::{Accounts, Config};
use crate::server::chat::house::House;
use crate::server::chat::house::settings::Settings as HouseSettings;

/// How long anything may take, before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene(Door);

impl Scene {
    async fn new() -> Self {
        let store: Arc<Memory> = Arc::default();
        let settings =
            HouseSettings { name: "irc.test".into(), network: "Test".into(), ..HouseSettings::default() };
        let (house, writing) = House::open(store.clone(), settings, b"secret").await.unwrap();
        tokio::spawn(writing);
        let hashing = Hashing { memory: 8, passes: 1, scram: NonZeroU32::new(4), at_once: 2, waiting: 64 };
        let config = Config { hashing, attempts: Attempts::NONE, ..Config::default() };
        let lane = Blocking::new(BlockingConfig { threads: 1, queue: 64 });
        let clock = house.clone();
        let accounts = Accounts::new(store, lane, config, b"secret", Arc::new(move || clock.now())).unwrap();
        Self(Door::new(house, accounts, Settings { rate: None, ..Settings::default() }))
    }

    fn connect(&self) -> Wire {
        let (near, far) = tokio::io::duplex(1 << 20);
        let door = self.0.clone();
        tokio::spawn(async move { door.serve(Arrival::in_memory(far), Clock::new(), Drain::new()).await });
        let (reading, writing) = tokio::io::split(near);
        Wire { reading: BufReader::new(reading), writing, syncs: 0 }
    }

    /// A client that is registered, with these capabilities.
    async fn client(&self, nick: &str, caps: &str) -> Wire {
        let mut wire = self.connect();
        if !caps.is_empty() {
            wire.say(&format!("CAP REQ :{caps}")).await;
            assert!(wire.line().await.contains(" ACK "), "{caps}");
        }
        wire.say(&format!("NICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\nCAP END")).await;
        wire.until(" 422 ").await;
        wire
    }

    /// A client with an account.
    async fn member(&self, nick: &str, caps: &str) -> Wire {
        let mut wire = self.client(nick, caps).await;
        wire.say(&format!("REGISTER * * password-of-{nick}")).await;
        wire.until(" 900 ").await;
        wire
    }
}

struct Wire {
    reading: BufReader<ReadHalf<DuplexStream>>,
    writing: WriteHalf<DuplexStream>,
    syncs: u32,
}

impl Wire {
    async fn say(&mut self, lines: &str) {
        self.writing.write_all(lines.as_bytes()).await.unwrap();
        self.writing.write_all(b"\r\n").await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.reading.read_line(&mut line);
        tokio::time::timeout(PATIENCE, read).await.expect("a line").unwrap();
        line.trim_end().to_owned()
    }

    /// Lines up to the one with this text.
    async fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the connection ended before {text:?}: {lines:?}");
            lines.push(line);
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    /// What it is told until now.
    async fn told(&mut self) -> Vec<String> {
        self.syncs += 1;
        let token = format!("sync-{}", self.syncs);
        self.say(&format!("PING {token}")).await;
        let mut lines = self.until(&token).await;
        lines.pop();
        lines
    }

    /// What a line is answered with.
    async fn ask(&mut self, line: &str) -> Vec<String> {
        self.say(line).await;
        self.told().await
    }
}

/// A line without the source and the tags.
fn bare(line: &str) -> &str {
    let line = line.strip_prefix('@').and_then(|line| line.split_once(' ')).map_or(line, |(_, line)| line);
    line.strip_prefix(':').and_then(|line| line.split_once(' ')).map_or(line, |(_, line)| line)
}

fn bares(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| bare(line)).collect()
}

#[tokio::test]
async fn a_client_is_welcomed() {
    let scene = Scene::new().await;
    let mut wire = scene.connect();
    wire.say("CAP LS 302\r\nNICK ann\r\nUSER ann 0 * :Ann A").await;
    let caps = wire.line().await;
    assert!(
        caps.starts_with(":irc.test CAP * LS ") && caps.contains("sasl=") || caps.contains(" * :"),
        "{caps}"
    );
    wire.say("CAP REQ :unheard-of\r\nCAP REQ :server-time\r\nCAP LIST\r\nCAP FOO\r\nCAP END").await;
    let lines = wire.until(" 422 ").await;
    for word in [
        " NAK :unheard-of",
        " ACK :server-time",
        " LIST :cap-notify server-time",
        " 410 ",
        " 001 ann :Welcome",
        " 002 ",
        " 003 ",
        " 004 ",
        " 005 ",
        " 251 ",
        " 255 ",
    ] {
        assert!(lines.iter().any(|line| line.contains(word)), "{word}: {lines:?}");
    }
    let tokens = lines.join(" ");
    for token in [
        "NICKLEN=32",
        "CASEMAPPING=ascii",
        "PREFIX=(qov)~@+",
        "CHANMODES=beI,k,fl,CMPRUimnstu",
        "UTF8ONLY",
        "WHOX",
        "MONITOR=100",
        "BOT=B",
    ] {
        assert!(tokens.contains(token), "{token}");
    }
}

#[tokio::test]
async fn nicks_are_somebodys() {
    let scene = Scene::new().await;
    let _ann = scene.client("ann", "").await;
    let mut wire = scene.connect();
    wire.say("NICK Ann\r\nUSER x 0 * :x").await;
    assert!(wire.line().await.contains(" 433 * Ann "));
    wire.say("NICK -x").await;
    assert!(wire.line().await.contains(" 432 * -x "));
    wire.say("NICK").await;
    assert!(wire.line().await.contains(" 431 * "));
    wire.say("JOIN #a").await;
    assert!(wire.line().await.contains(" 451 "));
    wire.say("NICK bob").await;
    wire.until(" 422 ").await;
    assert_eq!(bares(&wire.ask("NICK bobby").await), ["NICK bobby"]);
    assert_eq!(bares(&wire.ask("NICK ann").await), ["433 bobby ann :Nickname is already in use"]);
}

#[tokio::test]
async fn channels_are_entered_and_left() {
    let scene = Scene::new().await;
    let (mut ann, mut bob) = (scene.client("ann", "").await, scene.client("bob", "extended-join").await);
    let lines = ann.ask("JOIN #a").await;
    assert_eq!(bares(&lines), ["JOIN #a", "353 ann = #a :@ann", "366 ann #a :End of /NAMES list"]);
    ann.ask("TOPIC #a :what it is about").await;
    let lines = bob.ask("JOIN #a").await;
    assert_eq!(bare(&lines[0]), "JOIN #a * :Real bob");
    assert_eq!(bare(&lines[1]), "332 bob #a :what it is about");
    assert!(bare(&lines[2]).starts_with("333 bob #a ann!~ann@local.guest "));
    assert_eq!(bares(&ann.told().await), ["JOIN #a"]);
    assert_eq!(bares(&bob.ask("PART #a :bye").await), ["PART #a :bye"]);
    assert_eq!(bares(&ann.told().await), ["PART #a :bye"]);
    bob.ask("JOIN #a").await;
    assert_eq!(bares(&bob.ask("KICK #a ann").await), ["482 bob #a :You're not channel operator"]);
    ann.ask("KICK #a bob :out").await;
    assert_eq!(bares(&bob.told().await), ["KICK #a bob :out"]);
    bob.say("QUIT :gone").await;
    let error = bob.until("ERROR").await;
    assert_eq!(error.last().unwrap(), "ERROR :Closing link: Quit: gone");
    let mut rest = String::new();
    bob.reading.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}

#[tokio::test]
async fn messages_reach_the_others_and_come_back_to_those_who_ask() {
    let scene = Scene::new().await;
    let all = "message-tags server-time echo-message batch labeled-response draft/multiline";
    let (mut ann, mut bob) = (scene.client("ann", all).await, scene.client("bob", "").await);
    ann.ask("JOIN #a").await;
    bob.ask("JOIN #a").await;
    ann.told().await;
    let echo = ann.ask("@label=7;+draft/reply=x PRIVMSG #a :hello there").await;
    assert_eq!(bares(&echo), ["PRIVMSG #a :hello there"]);
    for tag in ["label=7", "msgid=", "time=", "+draft/reply=x"] {
        assert!(echo[0].contains(tag), "{tag} {echo:?}");
    }
    assert_eq!(bob.told().await, [":ann!~ann@local.guest PRIVMSG #a :hello there"]);
    assert_eq!(bares(&ann.ask("@label=8 PONG x").await), ["ACK"]);
    let many = ann.ask("@label=9 PRIVMSG bob,nobody :hi").await;
    assert!(many[0].starts_with("@label=9 ") && many[0].contains("BATCH +") && many.len() == 4, "{many:?}");
    assert_eq!(bares(&bob.told().await), ["PRIVMSG bob :hi"]);
    ann.say("BATCH +1 draft/multiline #a\r\n@batch=1 PRIVMSG #a :one\r\n@batch=1 PRIVMSG #a :two").await;
    ann.say("@batch=1;draft/multiline-concat PRIVMSG #a :three\r\nBATCH -1").await;
    let echo = ann.told().await;
    let words: Vec<_> = bares(&echo)
        .iter()
        .filter_map(|line| line.split_once(" :"))
        .map(|(_, text)| text.to_owned())
        .collect();
    assert_eq!(words, ["one", "two", "three"], "{echo:?}");
    assert_eq!(bares(&bob.told().await), ["PRIVMSG #a :one", "PRIVMSG #a :two", "PRIVMSG #a :three"]);
    let own = ann.ask("@label=1 PRIVMSG ann :me").await;
    assert_eq!(own.iter().filter(|line| line.contains("label=1")).count(), 1, "{own:?}");
    assert_eq!(bares(&own), ["PRIVMSG ann :me", "PRIVMSG ann :me"]);
    ann.ask("@+typing=active TAGMSG #a").await;
    assert_eq!(bob.told().await, Vec::<String>::new(), "tags are for those who asked for them");
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_commands() {
    let scene = Scene::new().await;
    let (mut ann, mut bob) = (scene.client("ann", "echo-message").await, scene.client("bob", "").await);
    ann.ask("JOIN #a").await;
    bob.ask("JOIN #a").await;
    ann.told().await;
    let lines: Vec<String> = (0..500).map(|at| format!("PRIVMSG #a :{at}")).collect();
    let expected: Vec<String> = (0..500).map(|at| format!("PRIVMSG #a :{at}")).collect();
    assert_eq!(bares(&ann.ask(&lines.join("\r\n")).await), expected);
    assert_eq!(bares(&bob.told().await), expected);
}

#[tokio::test]
async fn history_and_markers() {
    let scene = Scene::new().await;
    let caps = "batch message-tags server-time draft/chathistory draft/read-marker draft/message-redaction";
    let (mut ann, mut bob) = (scene.member("ann", caps).await, scene.member("bob", caps).await);
    ann.ask("JOIN #a").await;
    bob.ask("JOIN #a").await;
    ann.ask("PRIVMSG #a :one\r\nPRIVMSG #a :two\r\nPRIVMSG bob :direct").await;
    let heard = bob.told().await;
    assert_eq!(bares(&heard), ["PRIVMSG #a :one", "PRIVMSG #a :two", "PRIVMSG bob :direct"]);
    let id = heard[0].split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap().to_owned();
    let past = bob.ask("CHATHISTORY LATEST #a * 10").await;
    assert!(past[0].contains("BATCH +") && past[0].ends_with(" chathistory #a"), "{past:?}");
    assert_eq!(bares(&past[1..3]), ["PRIVMSG #a :one", "PRIVMSG #a :two"]);
    assert!(past[1].contains(&id) && past[1].contains("batch="));
    assert_eq!(bare(&bob.ask("CHATHISTORY LATEST ann * 10").await[1]), "PRIVMSG bob :direct");
    assert_eq!(bare(&bob.ask(&format!("CHATHISTORY AFTER #a msgid={id} 1")).await[1]), "PRIVMSG #a :two");
    assert!(
        bob.ask("CHATHISTORY LATEST #none * 10").await[0]
            .contains("FAIL CHATHISTORY INVALID_TARGET LATEST #none")
    );
    assert!(bob.ask("CHATHISTORY FOO #a").await[0].contains("FAIL CHATHISTORY INVALID_PARAMS FOO"));
    assert!(bob.ask(&format!("REDACT #a {id}")).await[0].contains("FAIL REDACT REDACT_FORBIDDEN #a"));
    assert_eq!(bares(&ann.ask(&format!("REDACT #a {id} :typo")).await), [format!("REDACT #a {id} :typo")]);
    assert_eq!(bares(&bob.told().await), [format!("REDACT #a {id} :typo")]);
    assert_eq!(bare(&bob.ask("CHATHISTORY LATEST #a * 10").await[1]), "PRIVMSG #a :two");
    let time = "timestamp=2030-01-01T00:00:00.000Z";
    assert_eq!(bares(&bob.ask("MARKREAD #a").await), ["MARKREAD #a *"]);
    assert_eq!(bares(&bob.ask(&format!("MARKREAD #a {time}")).await), [format!("MARKREAD #a {time}")]);
    assert_eq!(
        bares(&bob.ask("MARKREAD #a timestamp=2020-01-01T00:00:00.000Z").await),
        [format!("MARKREAD #a {time}")]
    );
}

#[tokio::test]
async fn modes_are_set_and_shown() {
    let scene = Scene::new().await;
    let (mut ann, mut bob) = (scene.client("ann", "").await, scene.client("bob", "").await);
    ann.ask("JOIN #a").await;
    bob.ask("JOIN #a").await;
    ann.told().await;
    assert_eq!(bare(&ann.ask("MODE #a").await[0]), "324 ann #a +nt");
    for (asked, expected) in [
        ("MODE #a +v bob", vec!["MODE #a +v bob"]),
        ("MODE #a -v bob", vec!["MODE #a -v bob"]),
        ("MODE #a +o bob", vec!["MODE #a +o bob"]),
        ("MODE #a -o bob", vec!["MODE #a -o bob"]),
        ("MODE #a +kl key 5", vec!["MODE #a +kl key 5"]),
        ("MODE #a +b m:eve", vec!["MODE #a +b m:eve!*@*"]),
        ("MODE #a +i", vec!["MODE #a +i"]),
        ("MODE #a +i", vec![]),
        ("MODE #a +o nobody", vec!["401 ann nobody :No such nick/channel"]),
        ("MODE #a +z", vec!["472 ann z :is unknown mode char to me"]),
        ("MODE #a +l x", vec!["696 ann #a l x :It is no number, or one that is not allowed"]),
        ("MODE ann +iB", vec!["MODE ann +iB"]),
        ("MODE ann", vec!["221 ann +Bi"]),
        ("MODE bob", vec!["502 ann :Can't change mode for other users"]),
    ] {
        assert_eq!(bares(&ann.ask(asked).await), expected, "{asked}");
    }
    assert!(bare(&ann.ask("MODE #a b").await[0]).starts_with("367 ann #a m:eve!*@* ann!~ann@local.guest "));
    assert_eq!(bare(&ann.ask("MODE #a").await[0]), "324 ann #a +intkl key 5");
    bob.told().await;
    assert_eq!(bares(&bob.ask("MODE #a +m").await), ["482 bob #a :You're not channel operator"]);
    let mut eve = scene.client("eve", "").await;
    assert_eq!(bares(&eve.ask("JOIN #a").await), ["473 eve #a :Cannot join channel (+i)"]);
    assert_eq!(bares(&ann.ask("INVITE eve #a").await), ["341 ann eve #a"]);
    assert_eq!(eve.told().await, [":ann!~ann@local.guest INVITE eve #a"]);
    eve.ask("JOIN #a").await;
    assert!(bare(&eve.ask("PRIVMSG #a :hush").await[0]).starts_with("404 eve #a :"));
}

#[tokio::test]
async fn accounts() {
    let scene = Scene::new().await;
    let mut ann = scene.client("ann", "").await;
    let lines = ann.ask("REGISTER * * short").await;
    assert!(lines[0].contains("FAIL REGISTER WEAK_PASSWORD ann"), "{lines:?}");
    let lines = ann.ask("PRIVMSG NickServ :REGISTER long-password").await;
    assert!(lines.iter().any(|line| line.contains(" 900 ann ann!~ann@local.guest ann :")), "{lines:?}");
    let mut thief = scene.connect();
    thief.say("NICK ann\r\nUSER x 0 * :x").await;
    assert!(thief.line().await.contains(" 433 "));
    let mut wire = scene.connect();
    wire.say("CAP REQ sasl\r\nNICK ann\r\nUSER x 0 * :x\r\nAUTHENTICATE FOO").await;
    wire.until(" 908 ").await;
    wire.until(" 904 ").await;
    wire.say("AUTHENTICATE PLAIN\r\nAUTHENTICATE AGFubgB3cm9uZy1wYXNzd29yZA==").await;
    wire.until(" 904 ").await;
    wire.say("AUTHENTICATE PLAIN\r\nAUTHENTICATE *").await;
    wire.until(" 906 ").await;
    // ann, long-password
    wire.say("AUTHENTICATE PLAIN\r\nAUTHENTICATE AGFubgBsb25nLXBhc3N3b3Jk").await;
    wire.until(" 900 ").await;
    wire.until(" 903 ").await;
    wire.say("CAP END").await;
    wire.until(" 001 ann ").await;
    wire.until(" 422 ").await;
    let whois = wire.ask("WHOIS ann").await;
    assert!(whois.iter().any(|line| line.contains(" 330 ann ann ann :")), "{whois:?}");
}

#[tokio::test]
async fn people_are_found() {
    let scene = Scene::new().await;
    let (mut ann, mut bob) = (scene.client("ann", "away-notify").await, scene.client("bob", "").await);
    assert_eq!(bares(&ann.ask("MONITOR + bob,zoe").await), ["730 ann :bob!~bob@local.guest", "731 ann :zoe"]);
    ann.ask("JOIN #a").await;
    bob.ask("JOIN #a").await;
    ann.told().await;
    bob.ask("AWAY :lunch").await;
    assert_eq!(bares(&ann.told().await), ["AWAY :lunch"]);
    assert_eq!(bares(&ann.ask("PRIVMSG bob :x").await), ["301 ann bob :lunch"]);
    let who = ann.ask("WHO #a").await;
    assert!(
        who.iter().any(|line| bare(line) == "352 ann #a ~bob local.guest irc.test bob G :0 Real bob"),
        "{who:?}"
    );
    assert_eq!(bare(&ann.ask("WHO bob %tnfa,42").await[0]), "354 ann 42 bob G 0");
    assert_eq!(bares(&ann.ask("USERHOST bob").await), ["302 ann :bob=-~bob@local.guest"]);
    assert_eq!(bares(&ann.ask("ISON bob zoe").await), ["303 ann :bob"]);
    let whois = ann.ask("WHOIS bob").await;
    for row in [
        "311 ann bob ~bob local.guest * :Real bob",
        "319 ann bob :#a",
        "301 ann bob :lunch",
        "318 ann bob :End of /WHOIS list",
    ] {
        assert!(bares(&whois).contains(&row), "{row}: {whois:?}");
    }
    assert_eq!(bare(&ann.ask("WHOIS zoe").await[0]), "401 ann zoe :No such nick/channel");
    bob.say("QUIT").await;
    bob.until("ERROR").await;
    let gone = ann.until("QUIT").await;
    assert!(gone.iter().any(|line| line.ends_with(" 731 ann :bob")), "{gone:?}");
    assert_eq!(bare(&ann.ask("WHOWAS bob").await[0]), "314 ann bob ~bob local.guest * :Real bob");
}

#[tokio::test]
async fn refusals() {
    let scene = Scene::new().await;
    let mut ann = scene.client("ann", "").await;
    for (asked, expected) in [
        ("FOO", "421 ann FOO :Unknown command"),
        ("USER a b c d", "462 ann :You may not reregister"),
        ("PASS x", "462 ann :You may not reregister"),
        ("JOIN", "461 ann JOIN :Not enough parameters"),
        ("JOIN a", "403 ann a :No such channel"),
        ("JOIN #a*", "476 ann #a* :Bad Channel Mask"),
        ("PART #none", "403 ann #none :No such channel"),
        ("TOPIC #none", "403 ann #none :No such channel"),
        ("PRIVMSG", "411 ann :No recipient given (PRIVMSG)"),
        ("PRIVMSG bob", "412 ann :No text to send"),
        ("PRIVMSG bob :x", "401 ann bob :No such nick/channel"),
        ("PRIVMSG #none :x", "403 ann #none :No such channel"),
        ("PRIVMSG a,b,c,d,e :x", "407 ann a,b,c,d,e :Too many targets"),
        ("INVITE bob #a", "401 ann bob :No such nick/channel"),
        ("KILL ann :x", "481 ann :Permission Denied- You're not an IRC operator"),
        ("SQUIT x :y", "481 ann :Permission Denied- You're not an IRC operator"),
        ("OPER ann wrong-password", "464 ann :Password incorrect"),
        ("PING", "409 ann :No origin specified"),
        ("HELP foo", "524 ann foo :No help available on this topic"),
        ("MOTD other.example", "402 ann other.example :No such server"),
        ("WHOWAS zoe", "406 ann zoe :There was no such nickname"),
        ("VERIFY ann 1", "FAIL VERIFY INVALID_CODE ann :No account needs to be verified here"),
        ("PRIVMSG bob :\0", "400 ann * :The line holds a character that no line has"),
    ] {
        assert_eq!(bare(&ann.ask(asked).await[0]), expected, "{asked}");
    }
    assert!(ann.ask("NOTICE nobody :x").await.is_empty());
    assert_eq!(bare(&ann.ask(&"x".repeat(600)).await[0]), "417 ann :Input line was too long");
    ann.writing.write_all(b"PRIVMSG ann :\xff\r\n").await.unwrap();
    assert!(ann.told().await[0].contains("FAIL PRIVMSG INVALID_UTF8"));
}

/// Nobody learns by the time that it takes which accounts there are, or which of them operate the server.
#[tokio::test]
async fn oper_costs_a_hash_whoever_is_named() {
    let scene = Scene::new().await;
    let _member = scene.member("acc", "").await;
    let mut ann = scene.client("ann", "").await;
    let rows = [
        ("acc wrong-password", "464"),
        ("acc password-of-acc", "491"),
        ("nobody wrong-password", "464"),
        ("*no!name* wrong-password", "464"),
    ];
    for (said, expected) in rows {
        let before = scene.0.0.accounts.hashes();
        let told = ann.ask(&format!("OPER {said}")).await;
        assert!(told[0].contains(&format!(" {expected} ")), "{said}: {told:?}");
        assert_eq!(scene.0.0.accounts.hashes() - before, 1, "{said}");
    }
}

#[tokio::test]
async fn every_command_is_answered_and_none_ends_the_connection() {
    let scene = Scene::new().await;
    let mut ann = scene.client("ann", "").await;
    ann.ask("JOIN #a").await;
    for row in crate::proto::irc::command::ALL.iter().filter(|row| row.name != "QUIT") {
        for params in
            ["", "#a", "ann", "#a ann", "+ x", "#a +ov", "* * *", ": : :", "LATEST #a * 5", "ann #a :x y"]
        {
            ann.ask(&format!("{} {params}", row.name)).await;
            ann.ask("JOIN #a").await;
        }
        if row.stage == crate::proto::irc::command::Stage::Registered {
            let help = ann.ask(&format!("HELP {}", row.name)).await;
            assert!(
                help.iter().any(|line| line.contains(row.help.split(':').next().unwrap_or_default())),
                "{help:?}"
            );
        }
    }
}
