//! Random drafts, and everything that can be asked about them afterwards, by the model.

use super::super::history::{Place, Search};
use super::model::Model;
use super::*;
use crate::proto::chat::event::{Media, Setting};

const WORDS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
const ROOMS: u64 = 4;

struct Game {
    chance: fastrand::Rng,
    /// Ids of everything so far, and some of nothing.
    ids: Vec<MessageId>,
    at: u64,
}

impl Game {
    fn author(&mut self) -> Author {
        match self.chance.u8(..4) {
            0 => guest(["Guest", "guest", "other"][self.chance.usize(..3)]),
            n => account(u64::from(n)),
        }
    }

    fn id(&mut self) -> MessageId {
        let recent = self.ids.len().saturating_sub(30);
        self.ids[if self.chance.bool() {
            self.chance.usize(recent..self.ids.len())
        } else {
            self.chance.usize(..self.ids.len())
        }]
    }

    fn text(&mut self) -> String {
        let count = self.chance.usize(..5);
        (0..count).map(|_| WORDS[self.chance.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
    }

    fn change(&mut self) -> Change {
        let reaction = |chance: &mut fastrand::Rng| ["👍", "ok", "🎉"][chance.usize(..3)].to_owned();
        match self.chance.u8(..40) {
            0..=15 => {
                let thread = (self.chance.u8(..3) == 0).then(|| self.id());
                let reply = (self.chance.u8(..4) == 0).then(|| self.id());
                let media = Media {
                    digest: "d".into(),
                    name: "n".into(),
                    kind: "k".into(),
                    size: 1,
                    dimensions: None,
                };
                let media = (self.chance.u8(..5) == 0).then_some(media).into_iter().collect();
                let mentions = vec![AccountId(u64::MAX); self.chance.usize(..2)];
                let tags = vec![("+a".to_owned(), "b".to_owned()); self.chance.usize(..2)];
                Change::Message(Message {
                    text: self.text(),
                    reply,
                    thread,
                    media,
                    mentions,
                    tags,
                    ..Message::default()
                })
            }
            16..=20 => Change::Edit { of: self.id(), text: self.text() },
            21..=23 => Change::Delete { of: self.id(), reason: None },
            24..=29 => Change::React { to: self.id(), reaction: reaction(&mut self.chance) },
            30..=31 => Change::Unreact { to: self.id(), reaction: reaction(&mut self.chance) },
            32 => create(["#one", "#ONE", "#two", "#three"][self.chance.usize(..4)]),
            33 => Change::Join,
            34 => Change::Set(Setting::Limit(None)),
            35 => Change::Topic { text: self.text() },
            36 => Change::Pin { message: self.id() },
            39 => Change::Tags { tags: vec![("+a".into(), self.text())] },
            37 => Change::Leave { reason: Some("bye".into()), quit: true },
            38 if self.chance.u8(..32) == 0 => Change::Close,
            _ => Change::Rename { nick: "later".parse().unwrap(), account: None },
        }
    }

    fn drafts(&mut self) -> Vec<Draft> {
        let count = self.chance.usize(1..6);
        let drafts = (0..count).map(|_| {
            // Often in the same millisecond.
            self.at += u64::from(self.chance.u8(..3));
            let id = MessageId::new(NOW + self.at / 3, u128::from(self.ids.len() as u64));
            let change = self.change();
            let client_id = (self.chance.u8(..3) == 0).then(|| format!("c{}", self.chance.u8(..200)));
            let room = RoomId(self.chance.u64(..ROOMS).wrapping_sub(1));
            self.ids.push(id);
            Draft { room, id, by: self.author(), change, client_id }
        });
        drafts.collect()
    }

    fn place(&mut self) -> Place {
        match self.chance.u8(..4) {
            0 => Place::Seq(self.chance.u64(..200)),
            1 => Place::Time(NOW + self.chance.u64(..=self.at / 3 + 2)),
            2 => Place::Id(MessageId::new(NOW + self.chance.u64(..=self.at / 3), self.chance.u128(..))),
            _ => Place::Id(self.id()),
        }
    }

    fn query(&mut self) -> Query {
        let part = match self.chance.u8(..6) {
            0 => Part::Latest,
            1 => Part::LatestAfter(self.place()),
            2 => Part::Before(self.place()),
            3 => Part::After(self.place()),
            4 => Part::Around(self.place()),
            _ => Part::Between(self.place(), self.place()),
        };
        let which = match self.chance.u8(..4) {
            0 => Which::All,
            1 => Which::Messages,
            2 => Which::MessagesAndState,
            _ => Which::Thread(self.id()),
        };
        let limit = [0, 1, 2, 3, 10, 1000, usize::MAX][self.chance.usize(..7)];
        Query { room: RoomId(self.chance.u64(..ROOMS).wrapping_sub(1)), part, which, limit }
    }
}

fn compare(store: &Opened, model: &Model, game: &mut Game) {
    for _ in 0..150 {
        let query = game.query();
        assert_eq!(wait(store.page(query)).unwrap(), model.page(&query), "{query:?}");
    }
    for _ in 0..20 {
        let (room, id) = (RoomId(game.chance.u64(..ROOMS).wrapping_sub(1)), game.id());
        assert_eq!(wait(store.event(room, id)).unwrap(), model.event(room, id));
    }
    let stored = wait(store.rooms()).unwrap();
    let mut rooms: Vec<_> =
        stored.into_iter().map(|room| (room.snapshot.id(), room.head, room.since)).collect();
    rooms.sort_by_key(|(id, ..)| *id);
    assert_eq!(rooms, model.rooms());
    let rooms = [RoomId(u64::MAX), RoomId(0), RoomId(2)];
    for (word, by) in
        WORDS.iter().zip([None, Some(AccountId(1)), None, Some(AccountId(3)), Some(AccountId(9)), None])
    {
        let search = Search {
            text: (*word).to_owned(),
            rooms: rooms.to_vec(),
            by,
            after: None,
            before: None,
            limit: 1000,
        };
        let found: Vec<_> =
            wait(store.search(search)).unwrap().into_iter().map(|found| found.entry).collect();
        assert_eq!(found, model.search(word, by, &rooms), "{word}");
    }
}

fn the_store_says_what_the_model_says(bed: &Bed) {
    for seed in 0..8 {
        let mut game = Game { chance: fastrand::Rng::with_seed(seed), ids: vec![id(0)], at: 10 };
        let mut model = Model::default();
        let bed = bed.another();
        let mut store = bed.open();
        for round in 0..4 {
            for _ in 0..60 {
                let drafts = game.drafts();
                let expected = model.append(&drafts);
                match wait(store.append(drafts.clone())) {
                    Err(StoreError::Taken) => assert_eq!(expected, None, "{drafts:?}"),
                    outcome => assert_eq!(outcome.ok().map(unraised), expected, "{drafts:?}"),
                }
            }
            compare(&store, &model, &mut game);
            if round == 1 {
                drop(store);
                store = bed.open();
                compare(&store, &model, &mut game);
            }
        }
        assert!(model.events() > 100, "the game was short: {} events", model.events());
        for (before, bytes) in [
            (Some(NOW + game.at / 9), None),
            (None, Some(700)),
            (Some(NOW + game.at / 6), Some(100)),
            (None, Some(0)),
        ] {
            assert_eq!(
                wait(store.retain(before, bytes)).unwrap(),
                model.retain(before, bytes),
                "{before:?} {bytes:?}"
            );
            compare(&store, &model, &mut game);
        }
    }
}

both!(the_store_says_what_the_model_says);
