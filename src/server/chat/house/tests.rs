//! The house over a real store: what its sessions are told, and in which order.

use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use tempfile::TempDir;

use super::House;
use super::mailbox::{End, Mail};
use super::settings::Settings;
use super::talk::Sending;
use super::told::{Dialect, Language, Told};
use super::user::{MAX_ACCEPTED, Session, User};
use crate::proto::chat::event::{Change, Message, Setting};
use crate::proto::chat::id::{AccountId, Millis};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Room;
use crate::server::chat::store::Store;
use crate::server::chat::store::account::{Account, NewAccount, Profile};
use crate::server::chat::store::sqlite::{Sqlite, SqliteConfig};

/// Writes what tests look at, a line each. Variant 1 is in capitals.
struct Words;

const QUIET: Dialect = Dialect { language: &Words, variant: 0 };
const LOUD: Dialect = Dialect { language: &Words, variant: 1 };

impl Language for Words {
    fn write(&self, variant: u32, told: &Told<'_>, out: &mut BytesMut) {
        let line = match told {
            Told::Event { event, .. } => {
                let by = &event.by.nick;
                match &event.change {
                    Change::Message(message) => format!("{by}: {}\n", message.text),
                    Change::Join => format!("{by} joins\n"),
                    Change::Leave { quit: false, .. } => format!("{by} leaves\n"),
                    _ => return,
                }
            }
            Told::Gone { who, reason } => format!("{} is gone: {reason}\n", who.nick),
            Told::Renamed { who, to } => format!("{} is {to}\n", who.nick),
            Told::Appeared { who, .. } => format!("{} appears\n", who.nick),
            Told::Whisper { from, message, .. } => format!("{} whispers {}\n", from.nick, message.text),
            _ => return,
        };
        let line = if variant == 1 { line.to_uppercase() } else { line };
        out.extend_from_slice(line.as_bytes());
    }
}

struct Scene {
    house: House,
    _folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path(), &SqliteConfig::default()).unwrap());
        let (house, writing) = House::open(store, Settings::default(), b"secret").await.unwrap();
        tokio::spawn(writing);
        Self { house, _folder: folder }
    }

    async fn account(&self, name: &str, id: u64) -> Account {
        let new = NewAccount {
            id: AccountId(id),
            name: nick(name),
            password: None,
            profile: Profile::default(),
            operator: false,
            created: 1 as Millis,
        };
        self.house.store().create_account(new).await.unwrap()
    }

    async fn arrives(
        &self,
        name: &str,
        account: Option<&Account>,
        dialect: Dialect,
    ) -> (Arc<User>, Arc<Session>) {
        let session = Session::new(dialect);
        let face = self.house.face(nick(name), account, None);
        (self.house.arrive(&session, face).await.unwrap(), session)
    }

    async fn guests(&self, count: usize) -> Vec<(Arc<User>, Arc<Session>)> {
        let mut guests = Vec::new();
        for nth in 0..count {
            guests.push(self.arrives(&format!("guest{nth}"), None, QUIET).await);
        }
        guests
    }

    async fn says(&self, who: &(Arc<User>, Arc<Session>), text: &str, number: u64) {
        let room = self.house.room("#room").unwrap();
        let change = Change::Message(Message { text: text.into(), ..Message::default() });
        let sending = Sending { number, client_id: None };
        self.house.send(&who.0, &who.1, &room, change, None, sending).await.unwrap();
    }

    async fn joins(&self, who: &(Arc<User>, Arc<Session>)) {
        let name: RoomName = "#room".parse().unwrap();
        self.house.join(&who.0, &who.1, &name, None).await.unwrap();
    }

    /// Waits until all that was sent is done.
    async fn settles(&self) {
        let (sender, done) = tokio::sync::oneshot::channel();
        self.house.0.barrier(sender).await;
        done.await.unwrap();
    }
}

fn nick(name: &str) -> Nick {
    name.parse().unwrap()
}

/// What a session has been told: its lines, and `[NUMBER]` where a change of its own is done.
fn hears(session: &Session) -> String {
    let words = session.mailbox.take().into_iter().map(|mail| match mail {
        Mail::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Mail::Entered(room) => format!("[{}]\n", room.name().unwrap()),
        Mail::Done(number, outcome) => {
            format!("[{number}{}]\n", if outcome.is_ok() { "" } else { " failed" })
        }
    });
    words.collect()
}

#[tokio::test]
async fn all_are_told_in_one_order_each_in_its_dialect() {
    let scene = Scene::new().await;
    let (ann, bob) = (scene.arrives("ann", None, QUIET).await, scene.arrives("bob", None, LOUD).await);
    scene.joins(&ann).await;
    scene.joins(&bob).await;
    assert_eq!(hears(&ann.1), "ann joins\nbob joins\n");
    assert_eq!(hears(&bob.1), "BOB JOINS\n");
    scene.says(&ann, "one", 1).await;
    scene.says(&bob, "two", 7).await;
    scene.says(&ann, "three", 2).await;
    scene.settles().await;
    // What a session says itself is done at its place among what the others say.
    assert_eq!(hears(&ann.1), "[1]\nbob: two\n[2]\n");
    assert_eq!(hears(&bob.1), "ANN: ONE\n[7]\nANN: THREE\n");
    assert_eq!(hears(&bob.1), "");
}

#[tokio::test]
async fn what_is_for_one_alone_comes_after_what_was_said_before() {
    let scene = Scene::new().await;
    let (ann, bob) = (scene.arrives("ann", None, QUIET).await, scene.arrives("bob", None, QUIET).await);
    scene.joins(&ann).await;
    scene.joins(&bob).await;
    hears(&ann.1);
    scene.says(&bob, "bye", 1).await;
    scene.settles().await;
    let psst = Message { text: "psst".into(), ..Message::default() };
    scene.house.whisper(&bob.0, &bob.1, &ann.0, &psst).unwrap();
    scene.house.rename(&bob.0, &nick("rob")).await.unwrap();
    scene.house.depart(&bob.0, &bob.1, "home").await;
    scene.settles().await;
    assert_eq!(hears(&ann.1), "bob: bye\nbob whispers psst\nbob is rob\nrob is gone: home\n");
    assert_eq!(scene.house.room("#room").unwrap().look(|room| room.members().len()), 1);
}

#[tokio::test]
async fn a_session_that_does_not_read_ends_and_the_others_do_not_notice() {
    let scene = Scene::new().await;
    let (ann, bob) = (scene.arrives("ann", None, QUIET).await, scene.arrives("bob", None, QUIET).await);
    scene.joins(&ann).await;
    scene.joins(&bob).await;
    hears(&ann.1);
    let long = "x".repeat(16 * 1024);
    for number in 0..super::room::BACKLOG as u64 / 8192 {
        scene.says(&ann, &long, number).await;
        scene.settles().await;
        hears(&ann.1);
    }
    let end = std::future::poll_fn(|cx| match bob.1.mailbox.poll_take(cx) {
        Poll::Ready(Ok(_)) => bob.1.mailbox.poll_take(cx),
        other => other,
    });
    assert_eq!(end.await.unwrap_err(), End::Slow);
}

#[tokio::test]
async fn devices_of_one_account_are_one_user() {
    let scene = Scene::new().await;
    let account = scene.account("ann", 5).await;
    let one = scene.arrives("ann", Some(&account), QUIET).await;
    let two = scene.arrives("ann", Some(&account), LOUD).await;
    assert_eq!(one.0.id(), two.0.id());
    scene.joins(&one).await;
    scene.joins(&two).await;
    assert_eq!(hears(&one.1), "ann appears\n");
    assert_eq!(hears(&two.1), "ANN APPEARS\n[#room]\n", "one of them brings the other");
    scene.says(&one, "hi", 1).await;
    scene.settles().await;
    assert_eq!((hears(&one.1).as_str(), hears(&two.1).as_str()), ("[1]\n", "ANN: HI\n"));
    let guest = Session::new(QUIET);
    assert!(scene.house.arrive(&guest, scene.house.face(nick("Ann"), None, None)).await.is_err());
    scene.house.depart(&one.0, &one.1, "").await;
    assert!(scene.house.user("ann").is_some());
    scene.house.depart(&two.0, &two.1, "").await;
    assert!(scene.house.user("ann").is_none());
    assert_eq!(scene.house.rooms_of(account.id).len(), 1, "it is a member all the same");
}

#[tokio::test]
async fn a_room_of_guests_ends_with_the_last_one_and_one_of_accounts_does_not() {
    let scene = Scene::new().await;
    let (ann, bob) = (scene.arrives("ann", None, QUIET).await, scene.arrives("bob", None, QUIET).await);
    scene.joins(&ann).await;
    scene.joins(&bob).await;
    let room = scene.house.room("#room").unwrap();
    scene.house.leave(&ann.0, &room, None).await.unwrap();
    assert!(scene.house.room("#ROOM").is_some());
    scene.house.depart(&bob.0, &bob.1, "").await;
    assert!(scene.house.room("#room").is_none());
    assert!(scene.house.store().rooms().await.unwrap().is_empty());
    let account = scene.account("cat", 5).await;
    let cat = scene.arrives("cat", Some(&account), QUIET).await;
    scene.joins(&cat).await;
    scene.house.depart(&cat.0, &cat.1, "").await;
    assert!(scene.house.room("#room").is_some());
}

#[tokio::test]
async fn another_dialect_goes_on_where_the_first_one_was() {
    let scene = Scene::new().await;
    let (ann, bob) = (scene.arrives("ann", None, QUIET).await, scene.arrives("bob", None, QUIET).await);
    scene.joins(&ann).await;
    scene.joins(&bob).await;
    hears(&bob.1);
    scene.says(&ann, "soft", 1).await;
    scene.settles().await;
    scene.house.set_dialect(&bob.1, LOUD);
    scene.says(&ann, "hard", 2).await;
    scene.settles().await;
    assert_eq!(hears(&bob.1), "ann: soft\nANN: HARD\n");
}

#[tokio::test]
async fn news_that_comes_late_is_nobody_elses() {
    let scene = Scene::new().await;
    let people = scene.guests(3).await;
    let [ann, bob, cat] = &people[..] else { panic!("three") };
    scene.joins(ann).await;
    scene.joins(bob).await;
    scene.settles().await;
    let room = scene.house.room("#room").unwrap();
    let publish = |text: &str| {
        let from = ann.0.face();
        let message = Message { text: text.into(), ..Message::default() };
        let (to, id) = (nick("all"), scene.house.id());
        room.lock().publish(&Told::Whisper { from: &from, to: &to, id, message: &message }, None)
    };
    let ring = |news| room.ring(news, &mut super::mailbox::Wakers::default());
    hears(&ann.1);
    hears(&bob.1);
    // Between the moment when something is said and the one when readers are told so, one leaves, and another one gets its place.
    let said = publish("one");
    room.unsubscribe(&ann.1);
    room.subscribe(&cat.1);
    let said_to_cat = publish("two");
    ring(said);
    assert_eq!(hears(&ann.1), "guest0 whispers one\n");
    ring(said_to_cat);
    assert_eq!(hears(&cat.1), "guest0 whispers two\n");
    assert_eq!(hears(&bob.1), "guest0 whispers one\nguest0 whispers two\n");
    // Likewise when one reads in another dialect meanwhile, and in the first one again.
    let said = publish("three");
    scene.house.set_dialect(&cat.1, LOUD);
    scene.house.set_dialect(&cat.1, QUIET);
    ring(said);
    assert_eq!(hears(&cat.1), "guest0 whispers three\n");
    ring(publish("four"));
    assert_eq!(hears(&cat.1), "guest0 whispers four\n");
    ring(publish("five"));
    assert_eq!(hears(&cat.1), "guest0 whispers five\n");
    let missed = ["three", "four", "five"].map(|text| format!("guest0 whispers {text}\n"));
    assert_eq!(hears(&bob.1), missed.concat(), "who is behind is not forgotten");
}

#[tokio::test]
async fn nothing_is_lost_while_dialects_change() {
    const SAID: usize = 5_000;
    let scene = Scene::new().await;
    let people = scene.guests(2).await;
    for who in &people {
        scene.joins(who).await;
    }
    scene.settles().await;
    let room = scene.house.room("#room").unwrap();
    let session = Arc::clone(&people[1].1);
    hears(&session);
    let from = people[0].0.face();
    let (to, id) = (nick("all"), scene.house.id());
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut heard = String::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..SAID {
                let message = Message { text: number.to_string(), ..Message::default() };
                room.publish(&Told::Whisper { from: &from, to: &to, id, message: &message }, None);
            }
            over.store(true, std::sync::atomic::Ordering::Release);
        });
        while !over.load(std::sync::atomic::Ordering::Acquire) {
            scene.house.set_dialect(&session, LOUD);
            scene.house.set_dialect(&session, QUIET);
            heard.push_str(&hears(&session));
        }
    });
    heard.push_str(&hears(&session));
    let numbers: Vec<usize> =
        heard.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(0..SAID), "{} of {SAID} lines, or out of order", numbers.len());
}

#[tokio::test]
async fn whom_one_has_let_needs_no_room_once_gone() {
    let scene = Scene::new().await;
    let (ann, _) = scene.arrives("ann", None, QUIET).await;
    let (bob, _) = scene.arrives("bob", None, QUIET).await;
    let guests = scene.guests(MAX_ACCEPTED).await;
    assert!(guests.iter().all(|(guest, _)| scene.house.accept(&ann, guest, true)));
    assert!(!scene.house.accept(&ann, &bob, true), "all of them are here");
    assert!(scene.house.accept(&ann, &guests[0].0, true), "it is let already");
    for (guest, session) in &guests[1..] {
        scene.house.depart(guest, session, "").await;
    }
    assert!(scene.house.accept(&ann, &bob, true));
    assert!(ann.has_accepted(bob.id()) && ann.has_accepted(guests[0].0.id()));
    assert!(!ann.has_accepted(guests[1].0.id()));
}

#[tokio::test]
async fn without_a_writer_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path(), &SqliteConfig::default()).unwrap());
    let (house, writing) = House::open(store, Settings::default(), b"secret").await.unwrap();
    drop(writing);
    let session = Session::new(QUIET);
    let user = house.arrive(&session, house.face(nick("ann"), None, None)).await.unwrap();
    let error = house.join(&user, &session, &"#room".parse().unwrap(), None).await.unwrap_err();
    assert!(error.to_string().contains("closing"), "{error}");
}

#[tokio::test]
async fn those_who_come_at_once_share_a_commit() {
    let scene = Scene::new().await;
    scene.joins(&scene.arrives("ann", None, QUIET).await).await;
    let before = scene.house.stats().commits;
    let guests = scene.guests(20).await;
    futures_util::future::join_all(guests.iter().map(|guest| scene.joins(guest))).await;
    let commits = scene.house.stats().commits - before;
    assert!(commits < 20, "{commits} commits for 20 who come");
    assert_eq!(scene.house.room("#room").unwrap().look(|room| room.members().len()), 21);
}

#[tokio::test]
async fn those_who_come_at_once_get_no_place_twice() {
    let scene = Scene::new().await;
    let ann = scene.arrives("ann", None, QUIET).await;
    scene.joins(&ann).await;
    let room = scene.house.room("#room").unwrap();
    // One member, with two sessions.
    let account = scene.account("bob", 1).await;
    let bob =
        [scene.arrives("bob", Some(&account), QUIET).await, scene.arrives("bob", Some(&account), LOUD).await];
    let head = room.look(Room::head);
    futures_util::future::join_all(bob.iter().map(|session| scene.joins(session))).await;
    assert_eq!(room.look(Room::head), head + 1, "one of the two has joined");
    assert!(bob.iter().all(|(_, session)| session.readers_of(room.id()).is_some()));
    // Two places are left.
    let limit = Change::Set(Setting::Limit(Some(4)));
    scene.house.change(&ann.0, &room, limit, None).await.unwrap();
    let guests = scene.guests(10).await;
    let name: RoomName = "#room".parse().unwrap();
    let comes = guests.iter().map(|(user, session)| scene.house.join(user, session, &name, None));
    let entered = futures_util::future::join_all(comes).await;
    assert_eq!(entered.iter().filter(|entered| entered.is_ok()).count(), 2);
    assert_eq!(room.look(|room| room.members().len()), 4);
}
