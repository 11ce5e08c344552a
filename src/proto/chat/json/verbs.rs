//! What a client may ask for: a verb is a row of this table, and help, documentation and parsing come from it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::event::{List, Role, RoomKind, Style};
use super::super::id::{MessageId, Millis, Seq};
use super::super::level::Level;
use super::super::name::{Nick, RoomName};
use super::BadRequest;
use super::asked::{File, Target};

/// Who may use a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody who is connected.
    Anyone,
    /// Who is logged in, or a guest.
    User,
    /// Who is logged in.
    Account,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// Its name: the value of `t`.
    pub name: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// A request that a client may send.
    pub example: &'static str,
}

macro_rules! verbs {
    ($( $(#[doc = $help:literal])+ $variant:ident $name:literal $access:ident $example:literal {
        $( $(#[doc = $doc:literal])+ $field:ident: $type:ty, )*
    } )*) => {
        /// What a client asks for.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $( $(#[doc = $help])+ $variant { $( $(#[doc = $doc])+ $field: $type, )* }, )*
        }

        /// All verbs, in the order of the documentation.
        pub const VERBS: &[Verb] = &[
            $( Verb {
                name: $name,
                access: Access::$access,
                help: concat!($($help),+),
                example: $example,
            }, )*
        ];

        impl Request {
            /// Its row.
            #[must_use]
            pub fn verb(&self) -> &'static Verb {
                const NAMES: &[&str] = &[$($name),*];
                let name = match self { $( Self::$variant { .. } => $name, )* };
                let at = NAMES.iter().position(|other| *other == name).unwrap_or_default();
                &VERBS[at]
            }

            pub(super) fn parse(name: &str, text: &str) -> Result<Self, BadRequest> {
                match name {
                    $( $name => {
                        #[derive(Deserialize)]
                        #[serde(deny_unknown_fields)]
                        struct Fields {
                            #[serde(rename = "t")]
                            _verb: IgnoredAny,
                            #[serde(default, rename = "id")]
                            _id: IgnoredAny,
                            $( #[serde(default = "unset::<_>", deserialize_with = "set")] $field: Field<$type>, )*
                        }
                        let fields: Fields = serde_json::from_str(text).map_err(BadRequest::fields)?;
                        $( let $field = fields.$field.value(stringify!($field))?; )*
                        let _ = (fields._verb, fields._id);
                        Ok(Self::$variant { $( $field, )* })
                    } )*
                    _ => Err(BadRequest::Verb(super::shorten(name))),
                }
            }
        }
    };
}

/// A field, if it was there.
struct Field<T>(Option<T>);

fn unset<T>() -> Field<T> {
    Field(None)
}

fn set<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Field<T>, D::Error> {
    T::deserialize(deserializer).map(|value| Field(Some(value)))
}

/// What a missing field is.
trait Missing: Sized {
    fn missing() -> Option<Self> {
        None
    }
}

impl<T> Missing for Option<T> {
    fn missing() -> Option<Self> {
        Some(None)
    }
}

macro_rules! required {
    ($($type:ty),*) => { $( impl Missing for $type {} )* };
}

required!(String, Target, RoomName, Nick, MessageId, Role, Level, List, bool, u64);

impl<T> Missing for Vec<T> {
    fn missing() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Missing> Field<T> {
    fn value(self, name: &'static str) -> Result<T, BadRequest> {
        self.0.or_else(T::missing).ok_or(BadRequest::Missing(name))
    }
}

verbs! {
    /// Lists the verbs, or explains one.
    Help "help" Anyone r#"{"t":"help","verb":"send"}"# {
        /// Which.
        verb: Option<String>,
    }
    /// Is answered at once.
    Ping "ping" Anyone r#"{"t":"ping","id":1}"# {}
    /// Comes in without an account, under a name that nobody has.
    Guest "guest" Anyone r#"{"t":"guest","name":"visitor"}"# {
        /// The name.
        name: Nick,
    }
    /// Makes an account, and logs in to it. The reply has a token for the next time.
    Register "register" Anyone r#"{"t":"register","account":"alice","password":"correct horse"}"# {
        /// The account's name.
        account: Nick,
        /// Its password.
        password: String,
        /// An address of mail.
        email: Option<String>,
        /// The code, where one is needed.
        code: Option<String>,
        /// What this device is called in the list of sessions.
        device: Option<String>,
    }
    /// Logs in by password. The reply has a token for the next time.
    Login "login" Anyone r#"{"t":"login","account":"alice","password":"correct horse"}"# {
        /// The account's name.
        account: Nick,
        /// Its password.
        password: String,
        /// What this device is called in the list of sessions.
        device: Option<String>,
        /// The last event of each room that the client has: what happened since is told at once, in order and without a gap.
        resume: Option<std::collections::BTreeMap<String, Seq>>,
    }
    /// Logs in by a token from an earlier login, and goes on where the client was.
    Token "token" Anyone r##"{"t":"token","token":"2yXn0...","resume":{"#garden":118,"bob":7}}"## {
        /// The token.
        token: String,
        /// The last event of each room that the client has: what happened since is told at once, in order and without a gap.
        resume: Option<std::collections::BTreeMap<String, Seq>>,
    }
    /// Logs in by a JSON Web Token of the issuer that the server trusts.
    Jwt "jwt" Anyone r#"{"t":"jwt","jwt":"eyJhbGciOi..."}"# {
        /// The token.
        jwt: String,
        /// What this device is called in the list of sessions.
        device: Option<String>,
        /// The last event of each room that the client has: what happened since is told at once, in order and without a gap.
        resume: Option<std::collections::BTreeMap<String, Seq>>,
    }
    /// Ends this session's token, and the connection; with `all` those of all devices.
    Logout "logout" Account r#"{"t":"logout"}"# {
        /// Whether all of them.
        all: Option<bool>,
    }
    /// Sets another password. Other devices are logged out.
    Password "password" Account r#"{"t":"password","old":"correct horse","new":"battery staple"}"# {
        /// The present one.
        old: String,
        /// The new one.
        new: String,
    }
    /// Lists the devices that are logged in.
    Sessions "sessions" Account r#"{"t":"sessions"}"# {}
    /// Logs out one of them.
    Revoke "revoke" Account r#"{"t":"revoke","session":"01ARYZ6S410000000000000000"}"# {
        /// Which.
        session: MessageId,
    }
    /// Tells what an account tells of itself.
    Whois "whois" User r#"{"t":"whois","name":"bob"}"# {
        /// Whose.
        name: Nick,
    }
    /// Changes what one's own account tells of itself. What is not named stays.
    Profile "profile" Account r#"{"t":"profile","display":"Alice Liddell","about":"Down the hole"}"# {
        /// The name beside the name.
        display: Option<String>,
        /// A line about it.
        about: Option<String>,
        /// The digest of a picture that was uploaded.
        avatar: Option<String>,
        /// Whether others are told what it has read.
        read_receipts: Option<bool>,
    }
    /// Is not told any longer what this account says directly, or is again.
    Block "block" Account r#"{"t":"block","name":"mallory","on":true}"# {
        /// Whom.
        name: Nick,
        /// Whether it is so from now on.
        on: bool,
    }
    /// Says whether guests may write to one, as long as one is here, and which of them may in any case. Whoever is written to may answer. The reply says how it is: `guests` and `names`.
    Accept "accept" User r#"{"t":"accept","guests":false}"# {
        /// Whether guests may.
        guests: Option<bool>,
        /// A guest who may.
        name: Option<Nick>,
        /// With `false`, no longer.
        on: Option<bool>,
    }
    /// Sets the presence of one's device: `online`, `away`, `busy`, or `offline` to be unseen; with `all`, of all one's devices. The most present one is shown to others.
    Presence "presence" User r#"{"t":"presence","presence":"away","status":"Lunch"}"# {
        /// Which.
        presence: String,
        /// What it is about.
        status: Option<String>,
        /// Whether it is that of all one's devices.
        all: Option<bool>,
    }
    /// Tells the presence of these, and every change of it from now on.
    Watch "watch" User r#"{"t":"watch","names":["bob"]}"# {
        /// Whose.
        names: Vec<Nick>,
    }
    /// Tells it no longer.
    Unwatch "unwatch" User r#"{"t":"unwatch","names":["bob"]}"# {
        /// Whose.
        names: Vec<Nick>,
    }
    /// Lists the rooms that are listed.
    Rooms "rooms" User r##"{"t":"rooms","search":"gard","limit":20}"## {
        /// What their name or topic contains.
        search: Option<String>,
        /// Those after this one.
        after: Option<RoomName>,
        /// Rooms at most.
        limit: Option<u64>,
    }
    /// Opens a room, which its maker owns.
    Create "create" User r##"{"t":"create","room":"#garden","kind":"private"}"## {
        /// Its name.
        room: RoomName,
        /// `public` or `private`.
        kind: Option<RoomKind>,
    }
    /// Enters a room. The reply has the room as it is.
    Join "join" User r##"{"t":"join","room":"#garden"}"## {
        /// Which.
        room: RoomName,
        /// The key, where one is needed.
        key: Option<String>,
    }
    /// Leaves a room for good.
    Leave "leave" User r##"{"t":"leave","room":"#garden"}"## {
        /// Which.
        room: RoomName,
        /// Why.
        reason: Option<String>,
    }
    /// Tells what a room is like.
    Room "room" User r##"{"t":"room","room":"#garden"}"## {
        /// Which.
        room: Target,
    }
    /// Lists the members of a room, with their roles and whether they are here.
    Members "members" User r##"{"t":"members","room":"#garden"}"## {
        /// Of which.
        room: RoomName,
        /// Those after this one.
        after: Option<Nick>,
        /// Members at most.
        limit: Option<u64>,
    }
    /// Invites somebody.
    Invite "invite" User r##"{"t":"invite","room":"#garden","name":"bob"}"## {
        /// Where.
        room: RoomName,
        /// Whom.
        name: Nick,
    }
    /// Puts somebody out, who may come again.
    Kick "kick" User r##"{"t":"kick","room":"#garden","name":"mallory","reason":"Spam"}"## {
        /// From where.
        room: RoomName,
        /// Whom.
        name: Nick,
        /// Why.
        reason: Option<String>,
    }
    /// Gives a role: `member`, `voiced`, `admin` or `owner`.
    Role "role" User r##"{"t":"role","room":"#garden","name":"bob","role":"admin"}"## {
        /// Where.
        room: RoomName,
        /// To whom.
        name: Nick,
        /// Which.
        role: Role,
    }
    /// Sets the topic; an empty one removes it.
    Topic "topic" User r##"{"t":"topic","room":"#garden","topic":"Roses"}"## {
        /// Where.
        room: RoomName,
        /// The text.
        topic: String,
    }
    /// Sets how a room is. What is not named stays; a key, limit, pace or way on is removed by an empty text or 0.
    Set "set" User r##"{"t":"set","room":"#garden","slow":10}"## {
        /// Which.
        room: RoomName,
        /// Only the invited enter.
        invite_only: Option<bool>,
        /// Not listed.
        secret: Option<bool>,
        /// Only the voiced speak.
        moderated: Option<bool>,
        /// Only members speak.
        members_only: Option<bool>,
        /// Only admins change the topic, and pin.
        topic_locked: Option<bool>,
        /// Only accounts enter.
        accounts_only: Option<bool>,
        /// What must be said to enter.
        key: Option<String>,
        /// Members at most.
        limit: Option<u64>,
        /// Seconds between two messages of a member.
        slow: Option<u64>,
        /// Only accounts and the voiced speak.
        accounts_speak: Option<bool>,
        /// What the unvoiced say is read by admins alone.
        op_moderated: Option<bool>,
        /// No CTCP of IRC but actions.
        no_ctcp: Option<bool>,
        /// IRC clients that do not moderate are shown admins and the voiced alone.
        auditorium: Option<bool>,
        /// Another room, for those who may not enter; one moderates both.
        forward: Option<String>,
    }
    /// Puts a mask into a list: `bans`, `ban_exceptions`, `invite_exceptions` or `mutes`. A nick, `nick!user@host` with `*` and `?`, or `$a:account`.
    List "list" User r##"{"t":"list","room":"#garden","list":"mutes","mask":"mallory","seconds":600}"## {
        /// Where.
        room: RoomName,
        /// Which list.
        list: List,
        /// Whom it fits.
        mask: String,
        /// For how long; for ever without.
        seconds: Option<u64>,
        /// Why.
        reason: Option<String>,
    }
    /// Takes a mask out of a list.
    Unlist "unlist" User r##"{"t":"unlist","room":"#garden","list":"mutes","mask":"mallory"}"## {
        /// Where.
        room: RoomName,
        /// Which list.
        list: List,
        /// The same mask.
        mask: String,
    }
    /// Shows the lists of a room.
    Lists "lists" User r##"{"t":"lists","room":"#garden"}"## {
        /// Of which.
        room: RoomName,
    }
    /// Ends a room.
    Close "close" Account r##"{"t":"close","room":"#garden"}"## {
        /// Which.
        room: RoomName,
    }
    /// Shows what was changed in a room, and by whom: its audit log. If there is `more`, the reply says `before` which event that is.
    Audit "audit" User r##"{"t":"audit","room":"#garden"}"## {
        /// Of which.
        room: RoomName,
        /// Before this event.
        before: Option<Seq>,
        /// Events at most.
        limit: Option<u64>,
    }
    /// Says something in a room, or to somebody. With a `cid`, sending it twice says it once.
    Send "send" User r##"{"t":"send","room":"#garden","text":"Hello","cid":"a1"}"## {
        /// Where, or to whom.
        room: Target,
        /// The text.
        text: String,
        /// What the client calls it, for ever.
        cid: Option<String>,
        /// `text`, `notice` or `action`.
        style: Option<Style>,
        /// The message that it answers.
        reply: Option<MessageId>,
        /// The message whose thread it belongs to.
        thread: Option<MessageId>,
        /// Files that were uploaded: their digests, or `{"digest":...,"name":...}`.
        media: Vec<File>,
    }
    /// Gives a message of one's own another text.
    Edit "edit" User r##"{"t":"edit","room":"#garden","message":"01ARYZ6S410000000000000000","text":"Hello!"}"## {
        /// Where.
        room: Target,
        /// Which.
        message: MessageId,
        /// The new one.
        text: String,
    }
    /// Deletes a message: one's own, or as an admin.
    Delete "delete" User r##"{"t":"delete","room":"#garden","message":"01ARYZ6S410000000000000000"}"## {
        /// Where.
        room: Target,
        /// Which.
        message: MessageId,
        /// Why.
        reason: Option<String>,
    }
    /// Reacts to a message.
    React "react" User r##"{"t":"react","room":"#garden","message":"01ARYZ6S410000000000000000","reaction":"+1"}"## {
        /// Where.
        room: Target,
        /// To which.
        message: MessageId,
        /// An emoji, or a short text.
        reaction: String,
    }
    /// Withdraws a reaction.
    Unreact "unreact" User r##"{"t":"unreact","room":"#garden","message":"01ARYZ6S410000000000000000","reaction":"+1"}"## {
        /// Where.
        room: Target,
        /// To which.
        message: MessageId,
        /// The same text.
        reaction: String,
    }
    /// Pins a message.
    Pin "pin" User r##"{"t":"pin","room":"#garden","message":"01ARYZ6S410000000000000000"}"## {
        /// Where.
        room: Target,
        /// Which.
        message: MessageId,
    }
    /// Pins it no longer.
    Unpin "unpin" User r##"{"t":"unpin","room":"#garden","message":"01ARYZ6S410000000000000000"}"## {
        /// Where.
        room: Target,
        /// Which.
        message: MessageId,
    }
    /// Shows the messages that are pinned.
    Pins "pins" User r##"{"t":"pins","room":"#garden"}"## {
        /// Of which.
        room: Target,
    }
    /// Shows a page of a room's messages: the last ones, or those before, after or around an event's number, or from a time on.
    History "history" User r##"{"t":"history","room":"#garden","before":120,"limit":50}"## {
        /// Of which.
        room: Target,
        /// Before this event.
        before: Option<Seq>,
        /// After this event.
        after: Option<Seq>,
        /// Around this message.
        around: Option<MessageId>,
        /// From this time on, in ms since 1970.
        since: Option<Millis>,
        /// Of this thread alone.
        thread: Option<MessageId>,
        /// Messages at most.
        limit: Option<u64>,
    }
    /// Finds messages with words in them: all words, `"several words"` in this order, `word*` by how it begins.
    Search "search" User r##"{"t":"search","text":"red roses","room":"#garden"}"## {
        /// What.
        text: String,
        /// Where; without it in all of one's rooms.
        room: Option<Target>,
        /// Of whom.
        from: Option<Nick>,
        /// Not before this time, in ms since 1970.
        since: Option<Millis>,
        /// Before this message: where a page goes on.
        before: Option<MessageId>,
        /// Messages at most.
        limit: Option<u64>,
    }
    /// Tells the others that one types, or no longer. It is not kept.
    Typing "typing" User r##"{"t":"typing","room":"#garden","on":true}"## {
        /// Where.
        room: Target,
        /// Whether.
        on: bool,
    }
    /// Tells that a device has received everything up to this event.
    Delivered "delivered" Account r##"{"t":"delivered","room":"#garden","seq":120}"## {
        /// Where.
        room: Target,
        /// The last one.
        seq: Seq,
    }
    /// Tells that everything up to this event was read.
    Read "read" Account r##"{"t":"read","room":"#garden","seq":120}"## {
        /// Where.
        room: Target,
        /// The last one.
        seq: Seq,
    }
    /// Shows how far each member has received and read a room.
    Receipts "receipts" Account r##"{"t":"receipts","room":"#garden"}"## {
        /// Of which.
        room: Target,
    }
    /// Says what one wants to be told of a room while absent: `all` messages, `mentions`, or `none`.
    Notify "notify" Account r##"{"t":"notify","room":"#garden","level":"all"}"## {
        /// Of which.
        room: Target,
        /// What.
        level: Level,
    }
    /// Has this device told by web push while nobody is here: the subscription of a browser for the key in the `hello`.
    Push "push" Account r#"{"t":"push","endpoint":"https://push.example.net/v2/x1","p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}"# {
        /// Where its push service takes messages.
        endpoint: String,
        /// Its public key, in base64url.
        p256dh: String,
        /// Its secret, in base64url.
        auth: String,
    }
    /// Has it told no longer.
    Unpush "unpush" Account r#"{"t":"unpush","endpoint":"https://push.example.net/v2/x1"}"# {
        /// The same endpoint.
        endpoint: String,
    }
    /// Asks where a file may be uploaded. The reply has an address for one `PUT`.
    Upload "upload" Account r#"{"t":"upload","name":"rose.jpg","size":48213}"# {
        /// What it is called.
        name: String,
        /// Bytes.
        size: u64,
    }
    /// Asks for the address of a file of a message, which holds for some hours.
    Link "link" User r#"{"t":"link","digest":"b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"}"# {
        /// Which.
        digest: String,
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::Asked;
    use super::*;

    #[test]
    fn each_example_is_a_request_of_its_row() {
        for verb in VERBS {
            let asked =
                Asked::parse(verb.example).unwrap_or_else(|(_, error)| panic!("{}: {error}", verb.name));
            assert_eq!(asked.request.verb().name, verb.name);
            assert!(
                !verb.help.trim().is_empty()
                    && verb.example.starts_with(&format!("{{\"t\":\"{}\"", verb.name))
            );
        }
        let mut names: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VERBS.len());
    }
}
