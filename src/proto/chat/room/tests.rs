//! Rooms in memory: what events make of one, and the matrix of who may do what.

use super::*;
use crate::proto::chat::event::Message;

fn author(nick: &str, account: Option<u64>) -> Author {
    Author {
        nick: nick.parse().unwrap(),
        account: account.map(AccountId),
        user: "u".into(),
        host: "host.example".into(),
    }
}

/// A room and a clock.
struct Scene {
    room: Room,
    now: Millis,
}

impl Scene {
    fn new(kind: RoomKind) -> Self {
        let mut scene = Self { room: Room::new(RoomId(7)), now: 1_000_000 };
        let olga = author("olga", Some(1));
        let members = match kind {
            RoomKind::Direct => {
                vec![(olga.who(), nick("olga")), (author("adam", Some(2)).who(), nick("adam"))]
            }
            _ => vec![(olga.who(), nick("olga"))],
        };
        let name = (kind != RoomKind::Direct).then(|| "#room".parse().unwrap());
        scene.does(&olga, Change::Create { kind, name, members });
        scene
    }

    /// A room with an owner, an admin, one who is voiced, a member, and a guest.
    fn crowded() -> Self {
        let mut scene = Self::new(RoomKind::Public);
        let olga = people()[0].clone();
        for (person, role) in people().iter().zip([Role::Owner, Role::Admin, Role::Voiced]).skip(1) {
            scene.does(person, Change::Join);
            scene.does(&olga, Change::Role { who: person.who(), nick: person.nick.clone(), role });
        }
        scene.does(&people()[3], Change::Join);
        scene.does(&people()[4], Change::Join);
        scene
    }

    fn does(&mut self, by: &Author, change: Change) {
        self.now += 1;
        let id = MessageId::new(self.now, 0);
        let event = Event { room: self.room.id(), seq: self.room.head() + 1, id, by: by.clone(), change };
        self.room.apply(&event);
        let before = self.room.clone();
        self.room.apply(&event);
        assert_eq!(self.room, before, "an event counts once");
    }

    fn may(&self, by: &Author, change: &Change) -> Result<(), Refusal> {
        self.may_about(by, change, None)
    }

    fn may_about(&self, by: &Author, change: &Change, target: Option<&Target>) -> Result<(), Refusal> {
        let account = by.account.map(|_| &by.nick);
        let actor = Actor { author: by, account, operator: false, key: None };
        self.room.check(&actor, change, target, self.now)
    }
}

fn nick(text: &str) -> Nick {
    text.parse().unwrap()
}

fn mask(text: &str) -> Mask {
    Mask::parse(text).unwrap()
}

/// Owner, admin, voiced, member, guest who is a member, account outside.
fn people() -> [Author; 6] {
    [
        author("olga", Some(1)),
        author("adam", Some(2)),
        author("vera", Some(3)),
        author("mira", Some(4)),
        author("gast", None),
        author("otto", Some(5)),
    ]
}

fn says(text: &str) -> Change {
    Change::Message(Message { text: text.into(), ..Message::default() })
}

fn listed(list: List, text: &str) -> Change {
    Change::Listed { list, mask: mask(text), until: None, reason: None }
}

fn kick(of: &Author) -> Change {
    Change::Kick { who: of.who(), nick: of.nick.clone(), reason: None }
}

fn role(of: &Author, role: Role) -> Change {
    Change::Role { who: of.who(), nick: of.nick.clone(), role }
}

/// The table of the module `check`, for each kind of person.
#[test]
fn who_may_do_what() {
    use Refusal::{LastOwner, NotAMember, NotAnAdmin, NotTheOwner, NotYours, Outranked};
    let scene = Scene::crowded();
    let [olga, _, vera, mira, _, otto] = people();
    let yes = Ok(());
    let no = Err(NotAnAdmin);
    let out = Err(NotAMember);
    let of = MessageId::new(5, 5);
    let theirs = Target { by: vera.who(), seq: 5, deleted: false };
    let invite = Change::Invite { who: otto.who(), nick: otto.nick.clone() };
    let gone = Change::Leave { reason: None, quit: false };
    let rows: &[(Change, [Result<(), Refusal>; 6])] = &[
        (says("hi"), [yes, yes, yes, yes, yes, out]),
        (
            Change::Edit { of, text: "x".into() },
            [Err(NotYours), Err(NotYours), yes, Err(NotYours), Err(NotYours), out],
        ),
        (Change::Delete { of, reason: None }, [yes, yes, yes, Err(NotYours), Err(NotYours), out]),
        (Change::React { to: of, reaction: "+".into() }, [yes, yes, yes, yes, yes, out]),
        (Change::Tags { tags: Vec::new() }, [yes, yes, yes, yes, yes, out]),
        (Change::Pin { message: of }, [yes, yes, no, no, no, out]),
        (Change::Unpin { message: of }, [yes, yes, no, no, no, out]),
        (Change::Topic { text: "t".into() }, [yes, yes, no, no, no, out]),
        (invite, [yes, yes, yes, yes, yes, out]),
        (gone, [yes, yes, yes, yes, yes, out]),
        (kick(&olga), [yes, Err(Outranked), no, no, no, out]),
        (kick(&mira), [yes, yes, no, no, no, out]),
        (role(&mira, Role::Voiced), [yes, yes, no, no, no, out]),
        (role(&mira, Role::Admin), [yes, yes, no, no, no, out]),
        (role(&mira, Role::Owner), [yes, Err(NotTheOwner), no, no, no, out]),
        (role(&olga, Role::Member), [Err(LastOwner), Err(Outranked), no, no, no, out]),
        (role(&vera, Role::Member), [yes, yes, yes, no, no, out]),
        (listed(List::Bans, "x"), [yes, yes, no, no, no, out]),
        (Change::Unlisted { list: List::Bans, mask: mask("x") }, [yes, yes, no, no, no, out]),
        (Change::Set(Setting::Moderated(true)), [yes, yes, no, no, no, out]),
        (Change::Set(Setting::Permanent(true)), [Err(NotTheOwner); 6]),
        (Change::Close, [yes, Err(NotTheOwner), Err(NotTheOwner), Err(NotTheOwner), Err(NotTheOwner), out]),
    ];
    for (change, expected) in rows {
        for (person, expected) in people().iter().zip(expected) {
            assert_eq!(
                scene.may_about(person, change, Some(&theirs)),
                *expected,
                "{} {change:?}",
                person.nick
            );
        }
    }
    // An operator of the server may what an owner may, from outside.
    for (change, _) in rows.iter().skip(5).filter(|(change, _)| !matches!(change, Change::Role { .. })) {
        let actor = Actor { author: &otto, account: Some(&otto.nick), operator: true, key: None };
        if !matches!(change, Change::Edit { .. }) {
            assert_eq!(scene.room.check(&actor, change, Some(&theirs), 0), Ok(()), "{change:?}");
        }
    }
}

/// What was done before, the key that is said, and how it goes for an account and for a guest.
type Entering<'a> = (Vec<Change>, Option<&'a str>, Result<(), Refusal>, Result<(), Refusal>);

#[test]
fn who_may_enter() {
    let otto = author("otto", Some(5));
    let guest = author("guest", None);
    let setting = |setting| vec![Change::Set(setting)];
    let invited = |who: &Author| Change::Invite { who: who.who(), nick: who.nick.clone() };
    let rows: Vec<Entering<'_>> = vec![
        (vec![], None, Ok(()), Ok(())),
        (setting(Setting::Key(Some("k".into()))), None, Err(Refusal::WrongKey), Err(Refusal::WrongKey)),
        (setting(Setting::Key(Some("k".into()))), Some("K"), Err(Refusal::WrongKey), Err(Refusal::WrongKey)),
        (setting(Setting::Key(Some("k".into()))), Some("k"), Ok(()), Ok(())),
        (setting(Setting::Limit(Some(1))), None, Err(Refusal::Full), Err(Refusal::Full)),
        (setting(Setting::AccountsOnly(true)), None, Ok(()), Err(Refusal::AccountsOnly)),
        (setting(Setting::InviteOnly(true)), None, Err(Refusal::InviteOnly), Err(Refusal::InviteOnly)),
        (
            vec![
                Change::Set(Setting::InviteOnly(true)),
                Change::Set(Setting::Limit(Some(1))),
                invited(&otto),
            ],
            None,
            Ok(()),
            Err(Refusal::InviteOnly),
        ),
        (
            vec![Change::Set(Setting::InviteOnly(true)), listed(List::InviteExceptions, "$a:otto")],
            None,
            Ok(()),
            Err(Refusal::InviteOnly),
        ),
        (vec![listed(List::Bans, "*!*@host.example")], None, Err(Refusal::Banned), Err(Refusal::Banned)),
        (vec![listed(List::Bans, "*!*@host.example"), invited(&guest)], None, Err(Refusal::Banned), Ok(())),
        (
            vec![invited(&guest), listed(List::Bans, "*!*@host.example")],
            None,
            Err(Refusal::Banned),
            Err(Refusal::Banned),
        ),
        (
            vec![listed(List::Bans, "*!*@host.example"), listed(List::BanExceptions, "guest")],
            None,
            Err(Refusal::Banned),
            Ok(()),
        ),
        (vec![listed(List::Mutes, "*!*@*")], None, Ok(()), Ok(())),
        (vec![Change::Close], None, Err(Refusal::Closed), Err(Refusal::Closed)),
    ];
    for (changes, key, account, none) in rows {
        let mut scene = Scene::new(RoomKind::Public);
        for change in &changes {
            scene.does(&people()[0], change.clone());
        }
        for (person, expected) in [(&otto, account), (&guest, none)] {
            let name = person.account.map(|_| &person.nick);
            let actor = Actor { author: person, account: name, operator: false, key };
            assert_eq!(scene.room.check(&actor, &Change::Join, None, scene.now), expected, "{changes:?}");
        }
    }
    let scene = Scene::new(RoomKind::Direct);
    assert_eq!(scene.may(&otto, &Change::Join), Err(Refusal::NoSuchRoom));
}

#[test]
fn who_may_speak() {
    let mut scene = Scene::crowded();
    let [olga, adam, .., otto] = people();
    let everybody = |scene: &Scene| people().map(|person| scene.may(&person, &says("hi")).err());
    let silent = Some(Refusal::Silenced);
    let out = Some(Refusal::NotAMember);
    scene.does(&olga, Change::Set(Setting::Moderated(true)));
    assert_eq!(everybody(&scene), [None, None, None, silent, silent, out]);
    scene.does(&olga, Change::Set(Setting::Moderated(false)));
    scene.does(&adam, listed(List::Mutes, "mira"));
    scene.does(&adam, listed(List::Bans, "gast"));
    scene.does(&adam, listed(List::Mutes, "vera"));
    assert_eq!(everybody(&scene), [None, None, None, silent, silent, out], "the voiced speak all the same");
    scene.does(&adam, listed(List::BanExceptions, "mira"));
    scene.does(&adam, Change::Unlisted { list: List::Bans, mask: mask("GAST") });
    assert_eq!(everybody(&scene), [None, None, None, None, None, out]);
    scene.does(&adam, Change::Set(Setting::MembersOnly(false)));
    assert_eq!(scene.may(&otto, &says("hi")), Ok(()));
    // Reading needs more.
    let actor = Actor { author: &otto, account: Some(&otto.nick), operator: false, key: None };
    assert_eq!(scene.room.may_read(&actor), Err(Refusal::NotAMember));
    scene.does(&adam, Change::Set(Setting::Secret(true)));
    assert_eq!(scene.room.may_read(&actor), Err(Refusal::NoSuchRoom));
}

#[test]
fn an_invitation_by_a_moderator_lifts_a_ban_once() {
    let mut scene = Scene::crowded();
    let [_, adam, _, mira, _, otto] = people();
    let invite = Change::Invite { who: otto.who(), nick: otto.nick.clone() };
    scene.does(&adam, listed(List::Bans, "otto"));
    scene.does(&mira, invite.clone());
    assert_eq!(scene.may(&otto, &Change::Join), Err(Refusal::Banned), "a member lifts none");
    scene.does(&adam, invite);
    assert_eq!(scene.may(&otto, &Change::Join), Ok(()));
    scene.does(&otto, Change::Join);
    scene.does(&adam, kick(&otto));
    assert_eq!(scene.may(&otto, &Change::Join), Err(Refusal::Banned));
}

#[test]
fn guests_may_be_kept_from_speaking() {
    let mut scene = Scene::crowded();
    let [olga, .., gast, otto] = people();
    scene.does(&olga, Change::Set(Setting::AccountsSpeak(true)));
    let everybody = people().map(|person| scene.may(&person, &says("hi")).err());
    let (guest, out) = (Some(Refusal::AccountsOnly), Some(Refusal::NotAMember));
    assert_eq!(everybody, [None, None, None, None, guest, out]);
    scene.does(&olga, role(&gast, Role::Voiced));
    assert_eq!(scene.may(&gast, &says("hi")), Ok(()));
    scene.does(&olga, Change::Set(Setting::NoCtcp(true)));
    assert_eq!(scene.may(&olga, &says("\x01PING\x01")), Err(Refusal::NoCtcp));
    assert_eq!(scene.may(&otto, &says("\x01PING\x01")), Err(Refusal::NotAMember));
}

#[test]
fn whom_admins_alone_hear() {
    let mut scene = Scene::crowded();
    let hushed = |scene: &Scene| {
        people().map(|person| {
            let actor = Actor { author: &person, account: None, operator: false, key: None };
            scene.room.is_hushed(&actor)
        })
    };
    assert_eq!(hushed(&scene), [false; 6]);
    scene.does(&people()[0], Change::Set(Setting::OpModerated(true)));
    assert_eq!(hushed(&scene), [false, false, false, true, true, true]);
    // What is kept is read by all: they say nothing that is.
    let [.., vera, mira, _, _] = people();
    let target = Target { by: mira.who(), seq: 5, deleted: false };
    let of = MessageId::new(1, 1);
    let kept = [
        Change::React { to: of, reaction: "+".into() },
        Change::Edit { of, text: "e".into() },
        Change::Tags { tags: Vec::new() },
    ];
    for change in kept {
        assert_eq!(scene.may_about(&mira, &change, Some(&target)), Err(Refusal::Silenced), "{change:?}");
    }
    let reaction = Change::React { to: of, reaction: "+".into() };
    assert_eq!(scene.may_about(&vera, &reaction, Some(&target)), Ok(()));
}

#[test]
fn whom_admins_alone_hear_is_slowed_all_the_same() {
    let mut scene = Scene::crowded();
    let [olga, .., vera, mira, _, _] = people();
    scene.does(&olga, Change::Set(Setting::Slow(Some(10))));
    let tells = |scene: &Scene, person: &Author| {
        let actor = Actor { author: person, account: None, operator: false, key: None };
        let may = |said: &Change| match said {
            Change::Message(message) => scene.room.may_tell(&actor, message, scene.now),
            _ => Ok(()),
        };
        may(&says("hi"))
    };
    scene.room.note_hushed(&mira.who(), scene.now);
    assert_eq!(scene.may(&mira, &says("hi")), Ok(()), "what she says is heard by all, and counts when it is");
    scene.does(&olga, Change::Set(Setting::OpModerated(true)));
    for person in [&vera, &mira] {
        scene.room.note_hushed(&person.who(), scene.now);
    }
    let too_soon = Err(Refusal::TooSoon(10_000));
    assert_eq!((scene.may(&mira, &says("hi")), tells(&scene, &mira)), (too_soon, too_soon));
    assert_eq!((scene.may(&vera, &says("hi")), tells(&scene, &vera)), (Ok(()), Ok(())));
    scene.now += 10_000;
    assert_eq!((scene.may(&mira, &says("hi")), tells(&scene, &mira)), (Ok(()), Ok(())));
}

#[test]
fn who_is_shown_in_an_auditorium() {
    let mut scene = Scene::crowded();
    let veiled = |scene: &Scene| people().map(|person| scene.room.is_veiled(&person.who()));
    assert_eq!(veiled(&scene), [false; 6]);
    scene.does(&people()[0], Change::Set(Setting::Auditorium(true)));
    assert_eq!(veiled(&scene), [false, false, false, true, true, true]);
}

#[test]
fn a_mute_ends() {
    let mut scene = Scene::crowded();
    let [_, adam, _, mira, ..] = people();
    let until = scene.now + 100;
    scene.does(
        &adam,
        Change::Listed { list: List::Mutes, mask: mask("mira"), until: Some(until), reason: None },
    );
    scene.now = until - 1;
    assert_eq!(scene.may(&mira, &says("a")), Err(Refusal::Silenced));
    scene.now = until;
    assert_eq!(scene.may(&mira, &says("a")), Ok(()));
    assert_eq!(scene.room.listed(List::Mutes, scene.now).count(), 0);
}

#[test]
fn slow_mode_is_for_members() {
    let mut scene = Scene::crowded();
    let [_, adam, vera, mira, ..] = people();
    scene.does(&adam, Change::Set(Setting::Slow(Some(10))));
    for person in [&adam, &vera, &mira] {
        assert_eq!(scene.may(person, &says("a")), Ok(()));
        scene.does(person, says("a"));
    }
    assert_eq!(scene.may(&mira, &says("b")), Err(Refusal::TooSoon(10_000)));
    assert_eq!(scene.may(&vera, &says("b")), Ok(()));
    scene.now += 9_999;
    assert_eq!(scene.may(&mira, &says("b")), Err(Refusal::TooSoon(1)));
    scene.now += 1;
    assert_eq!(scene.may(&mira, &says("b")), Ok(()));
}

#[test]
fn messages_that_are_not_there() {
    let scene = Scene::crowded();
    let vera = &people()[2];
    let of = MessageId::new(5, 5);
    let deleted = Target { by: vera.who(), seq: 5, deleted: true };
    for change in [
        Change::Edit { of, text: String::new() },
        Change::Delete { of, reason: None },
        Change::React { to: of, reaction: "+".into() },
    ] {
        assert_eq!(scene.may_about(vera, &change, None), Err(Refusal::NoSuchMessage), "{change:?}");
        assert_eq!(scene.may_about(vera, &change, Some(&deleted)), Err(Refusal::Deleted), "{change:?}");
    }
}

#[test]
fn a_guest_owns_what_was_said_since_it_came_in() {
    let mut scene = Scene::crowded();
    let [.., mira, gast, _] = people();
    let of = MessageId::new(5, 5);
    let changes = [Change::Edit { of, text: String::new() }, Change::Delete { of, reason: None }];
    let outcomes = |scene: &Scene, by: &Author, seq| {
        let target = Target { by: by.who(), seq, deleted: false };
        changes.each_ref().map(|change| scene.may_about(by, change, Some(&target)))
    };
    let (own, anothers) = ([Ok(()), Ok(())], [Err(Refusal::NotYours), Err(Refusal::NotYours)]);
    scene.does(&gast, says("first"));
    let first = scene.room.head();
    assert_eq!(outcomes(&scene, &gast, first), own);
    scene.does(&gast, Change::Leave { reason: None, quit: true });
    scene.does(&gast, Change::Join);
    assert_eq!(outcomes(&scene, &gast, first), anothers, "it may be somebody else");
    scene.does(&gast, says("second"));
    assert_eq!(outcomes(&scene, &gast, scene.room.head()), own);
    // An account is the same one however often it comes.
    scene.does(&mira, says("mine"));
    let mine = scene.room.head();
    scene.does(&mira, Change::Leave { reason: None, quit: false });
    scene.does(&mira, Change::Join);
    assert_eq!(outcomes(&scene, &mira, mine), own);
}

#[test]
fn who_was_seen_in_an_auditorium_is_seen_in_its_past() {
    let mut scene = Scene::crowded();
    let [olga, adam, vera, mira, gast, otto] = people();
    scene.does(&olga, Change::Set(Setting::Auditorium(true)));
    let leave = || Change::Leave { reason: None, quit: false };
    let mut gone = |by: &Author, change: Change| {
        scene.does(by, change);
        scene.room.head()
    };
    let (adams, miras) = (gone(&adam, leave()), gone(&mira, leave()));
    let veras = gone(&olga, kick(&vera));
    scene.does(&olga, role(&gast, Role::Admin));
    scene.does(&gast, Change::Rename { nick: nick("guest"), account: None });
    let renamed = scene.room.head();
    assert_eq!(scene.room.member(&Who::Guest("guest".into())).unwrap().role, Role::Admin);
    let veiled = |who: &Author, at| scene.room.was_veiled(&who.who(), at);
    assert!(!veiled(&adam, adams) && !veiled(&vera, veras), "they moderated, or were voiced");
    assert!(!veiled(&adam, 2), "as they came");
    assert!(veiled(&mira, miras), "a member");
    assert!(!veiled(&gast, renamed), "under the name that it had");
    assert!(veiled(&gast, renamed + 1), "it is somebody else's now");
    assert!(veiled(&otto, adams));
    assert!(!veiled(&olga, 1));
    // Without that, nobody is veiled.
    scene.does(&olga, Change::Set(Setting::Auditorium(false)));
    assert!(!scene.room.was_veiled(&mira.who(), miras));
    for number in 0..MAX_FORMER {
        let by = author(&format!("n{number}"), None);
        scene.does(&by, Change::Join);
        scene.does(&olga, role(&by, Role::Voiced));
        scene.does(&by, leave());
    }
    assert_eq!(scene.room.former.len(), MAX_FORMER, "they are bounded");
}

#[test]
fn lists_and_pins_are_bounded() {
    let mut scene = Scene::crowded();
    let olga = &people()[0];
    for number in 0..MAX_MASKS {
        scene.does(olga, listed(List::Bans, &format!("n{number}")));
    }
    assert_eq!(scene.may(olga, &listed(List::Mutes, "x")), Err(Refusal::ListFull));
    assert_eq!(scene.may(olga, &listed(List::Bans, "N1")), Ok(()), "it is there already");
    let pin = |number| Change::Pin { message: MessageId::new(number, 0) };
    let target = Target { by: olga.who(), seq: 5, deleted: false };
    for number in 0..MAX_PINS as u64 {
        assert_eq!(scene.may_about(olga, &pin(number), Some(&target)), Ok(()));
        scene.does(olga, pin(number));
    }
    assert_eq!(scene.may_about(olga, &pin(1000), Some(&target)), Err(Refusal::ListFull));
    scene.does(olga, Change::Delete { of: MessageId::new(3, 0), reason: None });
    assert_eq!(scene.room.pins().len(), MAX_PINS - 1, "what is deleted is pinned no longer");
    for number in 0..MAX_INVITED as u64 + 1 {
        let who = Who::Guest(format!("g{number}").into());
        scene.does(olga, Change::Invite { who, nick: nick("x") });
    }
    assert!(!scene.room.is_invited(&Who::Guest("g0".into())));
    assert!(scene.room.is_invited(&Who::Guest("g1".into())));
}

#[test]
fn a_room_of_guests() {
    let mut room = Room::new(RoomId(1));
    let [ann, bob] = ["ann", "bob"].map(|name| author(name, None));
    let mut scene = {
        let create =
            Change::Create { kind: RoomKind::Public, name: Some("#g".parse().unwrap()), members: vec![] };
        let event =
            Event { room: RoomId(1), seq: 1, id: MessageId::new(1, 0), by: ann.clone(), change: create };
        room.apply(&event);
        Scene { room, now: 10 }
    };
    scene.does(&ann, Change::Join);
    scene.does(&bob, Change::Join);
    assert_eq!(scene.room.member(&ann.who()).unwrap().role, Role::Admin, "whoever opens it moderates");
    assert_eq!(scene.room.member(&bob.who()).unwrap().role, Role::Member);
    assert!(!scene.room.is_durable());
    scene.does(&ann, Change::Rename { nick: nick("Anna"), account: None });
    assert_eq!(scene.room.member(&Who::Guest("anna".into())).unwrap().role, Role::Admin);
    assert_eq!(scene.room.member(&ann.who()), None);
    scene.does(&author("otto", Some(5)), Change::Join);
    assert!(scene.room.is_durable());
    scene.room.keep_guests(|_| false);
    assert_eq!(scene.room.members().len(), 1);
}

#[test]
fn a_snapshot_is_the_room() {
    let mut scene = Scene::crowded();
    let [olga, adam, ..] = people();
    scene.does(&olga, Change::Topic { text: "Weather".into() });
    scene.does(&adam, listed(List::Bans, "x"));
    scene.does(&adam, Change::Set(Setting::Key(Some("k".into()))));
    let text = serde_json::to_string(&scene.room).unwrap();
    let mut back: Room = serde_json::from_str(&text).unwrap();
    assert_eq!(back, scene.room);
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    let topic = back.topic().unwrap();
    assert_eq!((&*topic.text, &*topic.by, topic.at), ("Weather", "olga!u@host.example", scene.now - 2));
    let event = Event {
        room: back.id(),
        seq: back.head() + 1,
        id: MessageId::new(1, 1),
        by: olga,
        change: Change::Topic { text: String::new() },
    };
    back.apply(&event);
    assert_eq!(back.topic(), None);
}

#[test]
fn a_voice_stays_beneath_a_higher_role() {
    let mut scene = Scene::crowded();
    let [olga, adam, vera, mira, ..] = people();
    let voice = |of: &Author, on| Change::Voice { who: of.who(), nick: of.nick.clone(), on };
    let standing = |scene: &Scene, of: &Author| {
        scene.room.member(&of.who()).map(|member| (member.role, member.voiced)).unwrap()
    };
    scene.does(&olga, role(&vera, Role::Admin));
    assert_eq!(standing(&scene, &vera), (Role::Admin, true));
    scene.does(&olga, role(&vera, Role::Voiced));
    assert_eq!(standing(&scene, &vera), (Role::Voiced, false));
    for (on, expected) in [(true, (Role::Admin, true)), (false, (Role::Admin, false))] {
        scene.does(&olga, voice(&adam, on));
        assert_eq!(standing(&scene, &adam), expected);
    }
    // Of those without a higher role it is the role.
    scene.does(&adam, voice(&mira, true));
    assert_eq!(standing(&scene, &mira), (Role::Voiced, false));
    scene.does(&adam, voice(&mira, false));
    assert_eq!(standing(&scene, &mira), (Role::Member, false));
    assert_eq!(scene.may(&mira, &voice(&adam, true)), Err(Refusal::NotAnAdmin));
    assert_eq!(scene.may(&mira, &voice(&mira, false)), Ok(()), "anybody may give it back");
    assert_eq!(scene.may(&adam, &voice(&olga, true)), Err(Refusal::Outranked));
    assert_eq!(scene.may(&olga, &voice(&people()[5], true)), Err(Refusal::NoSuchMember));
}

#[test]
fn a_room_without_an_owner_gets_its_first() {
    let mut scene = Scene { room: Room::new(RoomId(7)), now: 1_000_000 };
    let [olga, adam, .., gast, _] = people();
    scene.does(&olga, Change::Create { kind: RoomKind::Public, name: None, members: vec![] });
    for person in [&olga, &adam, &gast] {
        scene.does(person, Change::Join);
    }
    assert_eq!(scene.room.member(&olga.who()).unwrap().role, Role::Admin);
    assert_eq!(scene.may(&adam, &role(&adam, Role::Owner)), Err(Refusal::NotAnAdmin));
    assert_eq!(scene.may(&olga, &role(&gast, Role::Owner)), Err(Refusal::NotTheOwner), "guests own nothing");
    assert_eq!(scene.may(&olga, &role(&olga, Role::Owner)), Ok(()));
    scene.does(&olga, role(&adam, Role::Owner));
    assert_eq!(scene.may(&olga, &role(&olga, Role::Owner)), Err(Refusal::NotTheOwner), "there is one now");
}
