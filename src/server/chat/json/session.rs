//! One connection of the JSON door: its requests in their order, what it is told, and its end.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use super::reply::{Failure, Reply};
use super::{Door, language};
use crate::net::bucket::Bucket;
use crate::proto::chat::json::asked::{Asked, Id};
use crate::proto::chat::json::verbs::{Access, Request, VERBS};
use crate::proto::chat::json::words::ok;
use crate::proto::chat::name::Nick;
use crate::server::chat::accounts::Client;
use crate::server::chat::house::mailbox::{End, Mail};
use crate::server::chat::house::user::{Session, User};
use crate::server::chat::store::account::{self, Account};
use crate::server::ws::{CloseCode, CloseReason, Event, Message, Socket, SocketError};

/// Changes of one session that may be on their way at the same time. The next one waits for the first.
const MAX_UNDERWAY: usize = 256;

/// Who somebody is who has come in.
#[derive(Clone, Debug)]
pub(super) struct Me {
    pub(super) user: Arc<User>,
    /// The account, and the session of it that this connection uses.
    pub(super) account: Option<(Arc<Account>, Option<Box<account::Session>>)>,
}

/// A connection.
pub(super) struct Talk {
    pub(super) door: Arc<Door>,
    pub(super) session: Arc<Session>,
    pub(super) me: Option<Me>,
    socket: Socket,
    /// Changes that are on their way, by their numbers here: what their client calls them. A tree needs no memory as long as it is empty.
    underway: BTreeMap<u64, Option<Id>>,
    pub(super) next: u64,
    pace: Option<Bucket>,
    pub(super) watched: Vec<Nick>,
    /// The connection ends after what was said.
    pub(super) ending: Option<String>,
}

/// How a connection ends.
enum Over {
    /// It is closed already.
    Closed,
    /// It is closed with this.
    Close(CloseCode, String),
}

impl From<SocketError> for Over {
    fn from(_: SocketError) -> Self {
        Self::Closed
    }
}

/// Whether others hear what is asked for.
fn speaks(request: &Request) -> bool {
    use Request as R;
    matches!(
        request,
        R::Send { .. }
            | R::Edit { .. }
            | R::Delete { .. }
            | R::React { .. }
            | R::Unreact { .. }
            | R::Pin { .. }
            | R::Unpin { .. }
            | R::Typing { .. }
    )
}

/// What becomes of a request.
pub(super) enum Answer {
    /// It is answered now.
    Now(Map<String, Value>),
    /// It is on its way, under this number.
    Later(u64),
}

impl Talk {
    /// Serves one connection to its end.
    pub(super) fn serve(door: Arc<Door>, socket: Socket) -> impl Future<Output = ()> + Send + 'static {
        let session = Session::new(language::DIALECT);
        let pace = door.pace.map(|rate| Bucket::full(rate, Instant::now()));
        let mut talk = Box::new(Self {
            door,
            session,
            me: None,
            socket,
            underway: BTreeMap::new(),
            next: 0,
            pace,
            watched: Vec::new(),
            ending: None,
        });
        // The future is what an idle connection costs, and memory for it comes in large steps: it has pointers alone.
        async move {
            let over = talk.run().await;
            Box::pin(talk.finish(over)).await;
        }
    }

    /// The house is told, and the connection is closed.
    async fn finish(self: Box<Self>, over: Over) {
        let reason = match &over {
            Over::Closed => "Connection closed".to_owned(),
            Over::Close(_, reason) => reason.clone(),
        };
        let Self { door, session, me, mut socket, watched, .. } = *self;
        for nick in &watched {
            door.house.unwatch(session.id, nick);
        }
        if let Some(me) = me {
            Box::pin(door.house.depart(&me.user, &session, &reason)).await;
        }
        if let Over::Close(code, reason) = over {
            let _ = socket.close(CloseReason::new(code, &reason)).await;
        }
    }

    /// What is known of the client's connection.
    pub(super) fn client(&self) -> Client {
        self.socket.peer().map(|peer| Client::of(peer)).unwrap_or_default()
    }

    async fn run(&mut self) -> Over {
        let hello = self.door.hello();
        if let Err(over) = self.say(hello) {
            return over;
        }
        loop {
            match self.step().await {
                Ok(()) => {}
                Err(over) => return over,
            }
            if let Some(reason) = self.ending.take() {
                return Over::Close(CloseCode::NORMAL, reason);
            }
        }
    }

    async fn step(&mut self) -> Result<(), Over> {
        let Self { session, socket, .. } = self;
        let room = socket.has_room();
        tokio::select! {
            biased;
            event = socket.turn() => match event? {
                // Boxed, so that a connection that waits has no room for what requests need.
                Event::Message(Message::Text(text)) => Box::pin(self.hear(&text)).await,
                Event::Message(Message::Binary(_)) => {
                    Err(Over::Close(CloseCode::UNSUPPORTED, "text, please".into()))
                }
                Event::Closed(_) => Err(Over::Closed),
                Event::Pong(_) | Event::Room => Ok(()),
            },
            taken = poll_fn(|cx| session.mailbox.poll_take(cx)), if room => match taken {
                Ok(mail) => self.deliver(mail),
                Err(End::Slow) => {
                    self.say(r#"{"t":"bye","code":"slow","message":"too far behind: resume"}"#)?;
                    Err(Over::Close(CloseCode::TRY_AGAIN_LATER, "too far behind".into()))
                }
                Err(End::Ended(reason)) => {
                    self.say(format!(r#"{{"t":"bye","code":"ended","message":{}}}"#, Value::from(reason.as_str())))?;
                    Err(Over::Close(CloseCode::POLICY, reason))
                }
            },
        }
    }

    /// Writes what was taken out of the mailbox.
    fn deliver(&mut self, taken: Vec<Mail>) -> Result<(), Over> {
        for mail in taken {
            match mail {
                Mail::Bytes(frames) if frames.is_empty() => {}
                Mail::Bytes(frames) => self.socket.feed_frame(frames)?,
                Mail::Done(number, outcome) => {
                    let re = self.underway.remove(&number).flatten();
                    let reply = match outcome {
                        Ok(sent) => {
                            let mut fields = Map::new();
                            fields.insert("seq".into(), sent.seq.into());
                            fields.insert("id".into(), sent.id.to_string().into());
                            fields.insert("at".into(), sent.id.time().into());
                            if sent.again {
                                fields.insert("again".into(), true.into());
                            }
                            ok(re.as_ref(), fields)
                        }
                        Err(refused) => Failure::from(refused).reply(re.as_ref()),
                    };
                    self.say(reply)?;
                }
                // Its client asks for what it wants to know of the room.
                Mail::Entered(_) => {}
            }
        }
        Ok(())
    }

    /// Says something now.
    fn say(&mut self, text: impl Into<String>) -> Result<(), Over> {
        Ok(self.socket.feed(Message::from(text.into()))?)
    }

    /// Answers a request, behind all that the session was told before.
    async fn hear(&mut self, text: &str) -> Result<(), Over> {
        let (id, outcome) = match Asked::parse(text) {
            Err((id, error)) => (id, Err(Failure::from(error))),
            Ok(Asked { id, request }) => {
                let outcome = self.answer(request).await;
                (id, outcome)
            }
        };
        let before = self.session.mailbox.take();
        let reply = match outcome {
            Ok(Answer::Now(fields)) => ok(id.as_ref(), fields),
            Ok(Answer::Later(number)) => {
                self.underway.insert(number, id);
                return self.deliver(before);
            }
            Err(failure) => failure.reply(id.as_ref()),
        };
        self.deliver(before)?;
        self.say(reply)
    }

    /// Tells something out of its turn, as fast as the client reads.
    pub(super) async fn tell(&mut self, message: Message) -> Result<(), Failure> {
        let closing = |_| Failure::new("closing", "the connection ends");
        self.socket.feed(message).map_err(closing)?;
        if !self.socket.has_room() {
            self.socket.flush().await.map_err(closing)?;
        }
        Ok(())
    }

    /// A number for a change that is sent on its way.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    async fn answer(&mut self, request: Request) -> Result<Answer, Failure> {
        if let Some(bucket) = &mut self.pace
            && let Some(rate) = self.door.pace
            && let Err(wait) = bucket.take(rate, Instant::now())
        {
            return Err(Failure::new("slow_down", "too many requests").waiting(wait));
        }
        let access = request.verb().access;
        match (&self.me, access) {
            (_, Access::Anyone) => {}
            (None, _) => return Err(Failure::new("login_required", "log in, or come in as a guest")),
            (Some(Me { account: None, .. }), Access::Account) => {
                return Err(Failure::new("account_required", "guests cannot do that"));
            }
            _ => {}
        }
        if let Some(me) = &self.me {
            if speaks(&request)
                && let Err(wait) = self.door.house.pace(&me.user, self.client().address)
            {
                let who =
                    if me.account.is_some() { "the account says" } else { "guests of this address say" };
                return Err(Failure::new("slow_down", format!("{who} too much")).waiting(wait));
            }
            self.door.house.note_active(&me.user, &self.session).await;
        }
        while self.underway.len() >= MAX_UNDERWAY {
            let session = &self.session;
            let taken = poll_fn(|cx| session.mailbox.poll_take(cx)).await;
            let delivered = taken.map_err(drop).and_then(|mail| self.deliver(mail).map_err(drop));
            if delivered.is_err() {
                return Err(Failure::new("closing", "the connection ends"));
            }
        }
        self.dispatch(request).await
    }

    /// Who is asking, where the table has said that somebody is.
    pub(super) fn me(&self) -> Result<&Me, Failure> {
        self.me.as_ref().ok_or_else(|| Failure::new("login_required", "log in, or come in as a guest"))
    }

    /// The account of whoever is asking.
    pub(super) fn account(&self) -> Result<&Arc<Account>, Failure> {
        let account = self.me()?.account.as_ref().map(|(account, _)| account);
        account.ok_or_else(|| Failure::new("account_required", "guests cannot do that"))
    }

    /// Explains the verbs.
    pub(super) fn help(verb: Option<&str>) -> Reply {
        let mut fields = Map::new();
        match verb {
            None => {
                let names: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
                fields.insert("verbs".into(), names.into());
            }
            Some(name) => {
                let verb = VERBS.iter().find(|verb| verb.name == name);
                let verb =
                    verb.ok_or_else(|| Failure::new("unknown_verb", format!("there is no verb {name}")))?;
                fields.insert("verb".into(), verb.name.into());
                fields.insert("help".into(), verb.help.trim().into());
                fields.insert("example".into(), verb.example.into());
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty thousand who are silent should need 3 KiB each, with sockets and tasks.
    #[test]
    fn a_silent_member_is_small() {
        assert!(size_of::<Talk>() <= 160, "{}", size_of::<Talk>());
        assert!(size_of::<Session>() <= 256, "{}", size_of::<Session>());
    }
}
