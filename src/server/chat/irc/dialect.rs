//! What happens in the house, as lines of IRC: one variant for each set of capabilities that changes them.
//!
//! What IRC has no word for is shown by the nearest one: an edit is a message that answers the one it changes, a reaction is a `TAGMSG`
//! with `+draft/react`, and a file is a line with its name. Receipts and pins are not shown.

use bytes::{BufMut, BytesMut};

use crate::proto::chat::event::{Change, Event, List, Message, Role, Setting, Style};
use crate::proto::chat::id::MessageId;
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::irc::batch::{CONCAT, MULTILINE};
use crate::proto::irc::cap::{Cap, Caps};
use crate::proto::irc::mode::{self, Made};
use crate::proto::irc::numeric;
use crate::proto::irc::text::{self, Piece};
use crate::proto::irc::time;
use crate::proto::irc::write::Line;
use crate::server::chat::house::room::Standing;
use crate::server::chat::house::told::{Language, Place, Presence, Told};
use crate::server::chat::house::user::Face;

/// Capabilities that change what a session reads of others.
const VISIBLE: Caps = Caps::of(&[
    Cap::AccountNotify,
    Cap::AccountTag,
    Cap::AwayNotify,
    Cap::Batch,
    Cap::Chghost,
    Cap::EchoMessage,
    Cap::ExtendedJoin,
    Cap::ExtendedMonitor,
    Cap::InviteNotify,
    Cap::MessageRedaction,
    Cap::MessageTags,
    Cap::Multiline,
    Cap::ReadMarker,
    Cap::ServerTime,
    Cap::Setname,
]);

/// Tags of a client that are shown to others at most.
pub(super) const MAX_CLIENT_TAGS: usize = 32;

/// The language of the house's IRC sessions.
#[derive(Debug)]
pub struct Irc {
    /// The server's name.
    pub server: String,
}

/// The variant for a client with these capabilities.
pub(super) fn variant(caps: Caps) -> u32 {
    let monitor = caps.has(Cap::DraftExtendedMonitor);
    let caps = if monitor { caps.with(Cap::ExtendedMonitor) } else { caps };
    caps.and(VISIBLE).bits()
}

impl Language for Irc {
    fn write(&self, variant: u32, told: &Told<'_>, out: &mut BytesMut) {
        for line in self.lines(Caps::from_bits(variant), told) {
            put(&line, out);
        }
    }
}

/// Appends a line, with its end.
pub(super) fn put(line: &Line, out: &mut BytesMut) {
    out.put_slice(&line.to_bytes());
}

/// Tags that the server gives to a line.
#[derive(Clone, Copy)]
struct Stamp<'a> {
    caps: Caps,
    id: Option<MessageId>,
    time: u64,
    account: Option<&'a str>,
    bot: bool,
}

impl Stamp<'_> {
    fn on(&self, mut line: Line, client: &[(String, String)]) -> Line {
        if self.caps.has(Cap::ServerTime) && self.time > 0 {
            line.add_tag("time", &time::format(self.time));
        }
        if let Some(account) = self.account.filter(|_| self.caps.has(Cap::AccountTag)) {
            line.add_tag("account", account);
        }
        if self.caps.has(Cap::MessageTags) {
            if let Some(id) = self.id {
                line.add_tag("msgid", &id.to_string());
            }
            if self.bot {
                line.add_tag("bot", "");
            }
            for (key, value) in client.iter().take(MAX_CLIENT_TAGS) {
                line.add_tag(key, value);
            }
        }
        line
    }
}

impl Irc {
    /// What a client with these capabilities is told.
    pub(super) fn lines(&self, caps: Caps, told: &Told<'_>) -> Vec<Line> {
        let stamp = |id: Option<MessageId>, account| Stamp {
            caps,
            id,
            time: id.map_or(0, MessageId::time),
            account,
            bot: false,
        };
        match told {
            Told::Event { event, place, account, real, bot, was } => {
                let account = account.map(Nick::as_str);
                let stamp = Stamp { bot: *bot, ..stamp(Some(event.id), account) };
                self.event(event, *place, stamp, real, *was)
            }
            Told::Status { from, room, role, id, message } => {
                let account = from.account_name().map(Nick::as_str);
                let stamp = Stamp { bot: from.bot, ..stamp(Some(*id), account) };
                let to = prefix(*role).map_or_else(|| room.to_string(), |prefix| format!("{prefix}{room}"));
                message_lines(&mask(from), &to, message, stamp)
            }
            Told::Host { who, is } if caps.has(Cap::Chghost) => {
                vec![Line::new(&mask(who), "CHGHOST").param(&is.user).param(&is.host)]
            }
            Told::Unveiled(told) => self.lines(caps, told),
            Told::Watched(told) if caps.has(Cap::ExtendedMonitor) => self.lines(caps, told),
            Told::Closed { nick, room } => {
                let line = Line::new(&self.server, "KICK").param(room.as_str()).param(nick.as_str());
                vec![line.last("The channel is closed")]
            }
            Told::Killed { by, nick, reason } => {
                vec![Line::new(&mask(by), "KILL").param(nick.as_str()).last(reason)]
            }
            Told::Wallops { by, text } => vec![Line::new(&mask(by), "WALLOPS").last(text)],
            Told::Invited { by, who, room, id } => {
                let account = by.account_name().map(Nick::as_str);
                let line = Line::new(&mask(by), "INVITE").param(who.as_str()).param(room.as_str());
                vec![stamp(Some(*id), account).on(line, &[])]
            }
            Told::Online { who } => {
                vec![Line::numeric(&self.server, numeric::RPL_MONONLINE, "*").last(&mask(who))]
            }
            Told::Offline { nick } => {
                vec![Line::numeric(&self.server, numeric::RPL_MONOFFLINE, "*").last(nick.as_str())]
            }
            Told::Whisper { from, to, id, message } => {
                let account = from.account_name().map(Nick::as_str);
                let stamp = Stamp { bot: from.bot, ..stamp(Some(*id), account) };
                message_lines(&mask(from), to.as_str(), message, stamp)
            }
            Told::Tags { from, place, id, tags } => {
                if !caps.has(Cap::MessageTags) {
                    return Vec::new();
                }
                let account = from.account_name().map(Nick::as_str);
                let stamp = Stamp { bot: from.bot, ..stamp(Some(*id), account) };
                let line = Line::new(&mask(from), "TAGMSG").param(target(*place, &from.nick));
                vec![stamp.on(line, tags)]
            }
            Told::Appeared { who, room, role } => {
                let mut lines = vec![join(caps, who, room.as_str())];
                if let Some(letter) = letter(*role) {
                    let made = [Made::new(true, letter, Some(who.nick.as_str()))];
                    lines.extend(mode::lines(&self.server, room.as_str(), &made));
                }
                lines
            }
            Told::Gone { who, reason } => vec![Line::new(&mask(who), "QUIT").last(reason)],
            Told::Renamed { who, to } => vec![Line::new(&mask(who), "NICK").param(to.as_str())],
            Told::Presence { who, presence, status } if caps.has(Cap::AwayNotify) => {
                vec![away(who, *presence, status)]
            }
            Told::Account { who } if caps.has(Cap::AccountNotify) => vec![account(who)],
            Told::RealName { who } if caps.has(Cap::Setname) => {
                vec![Line::new(&mask(who), "SETNAME").last(&who.real)]
            }
            Told::Read { place, time: read, .. } if caps.has(Cap::ReadMarker) => {
                let name = match place {
                    Place::Room(room) => room.as_str(),
                    Place::Direct { nick, .. } => nick.as_str(),
                };
                vec![marker(&self.server, name, Some(*read))]
            }
            _ => Vec::new(),
        }
    }

    /// What a client with these capabilities reads of an event in the log.
    pub(super) fn past(
        &self,
        caps: Caps,
        event: &Event,
        place: Place<'_>,
        account: Option<&str>,
    ) -> Vec<Line> {
        let stamp = Stamp { caps, id: Some(event.id), time: event.id.time(), account, bot: false };
        let source = event.by.mask();
        match &event.change {
            Change::Leave { quit: true, reason } => {
                let line = Line::new(&source, "QUIT").last(reason.as_deref().unwrap_or_default());
                vec![stamp.on(line, &[])]
            }
            Change::Rename { nick, .. } if nick.as_str() != event.by.nick.as_str() => {
                vec![stamp.on(Line::new(&source, "NICK").param(nick.as_str()), &[])]
            }
            _ => self.event(event, place, stamp, "", Role::Member),
        }
    }

    fn event(&self, event: &Event, place: Place<'_>, stamp: Stamp<'_>, real: &str, was: Role) -> Vec<Line> {
        let caps = stamp.caps;
        let source = event.by.mask();
        let to = target(place, &event.by.nick);
        let line = |command: &str| Line::new(&source, command).param(to);
        let modes = |made: &[Made]| -> Vec<Line> {
            mode::lines(&source, to, made).into_iter().map(|line| stamp.on(line, &[])).collect()
        };
        match &event.change {
            Change::Message(message) => message_lines(&source, to, message, stamp),
            Change::Edit { of, text } => {
                let edited =
                    Message { text: format!("(edited) {text}"), reply: Some(*of), ..Message::default() };
                message_lines(&source, to, &edited, stamp)
            }
            Change::Delete { of, reason } if caps.has(Cap::MessageRedaction) => {
                let line = line("REDACT").param(&of.to_string());
                let line = reason.iter().fold(line, |line, reason| line.last(reason));
                vec![stamp.on(line, &[])]
            }
            Change::React { to: of, reaction } if caps.has(Cap::MessageTags) => {
                vec![stamp.on(line("TAGMSG"), &reaction_tags("+draft/react", *of, reaction))]
            }
            Change::Unreact { to: of, reaction } if caps.has(Cap::MessageTags) => {
                vec![stamp.on(line("TAGMSG"), &reaction_tags("+draft/unreact", *of, reaction))]
            }
            Change::Tags { tags } if caps.has(Cap::MessageTags) => vec![stamp.on(line("TAGMSG"), tags)],
            Change::Join => {
                let joined = if caps.has(Cap::ExtendedJoin) {
                    line("JOIN").param(stamp.account.unwrap_or("*")).last(real)
                } else {
                    line("JOIN")
                };
                vec![stamp.on(joined, &[])]
            }
            Change::Leave { quit: false, reason } => {
                let line = reason.iter().fold(line("PART"), |line, reason| line.last(reason));
                vec![stamp.on(line, &[])]
            }
            Change::Kick { nick, reason, .. } => {
                let reason = reason.as_deref().unwrap_or(event.by.nick.as_str());
                vec![stamp.on(line("KICK").param(nick.as_str()).last(reason), &[])]
            }
            Change::Invite { nick, .. } if caps.has(Cap::InviteNotify) => {
                vec![stamp.on(Line::new(&source, "INVITE").param(nick.as_str()).param(to), &[])]
            }
            Change::Topic { text } => vec![stamp.on(line("TOPIC").last(text), &[])],
            Change::Role { nick, role, .. } => modes(&role_modes(was, *role, nick.as_str())),
            Change::Voice { nick, on, .. } => modes(&[Made::new(*on, 'v', Some(nick.as_str()))]),
            Change::Listed { list, mask, .. } => modes(&[listed(true, *list, mask.as_str())]),
            Change::Unlisted { list, mask } => modes(&[listed(false, *list, mask.as_str())]),
            Change::Set(setting) => modes(&[set(setting)]),
            Change::Close => {
                vec![stamp.on(Line::new(&source, "NOTICE").param(to).last("The channel is closed."), &[])]
            }
            _ => Vec::new(),
        }
    }
}

/// The target of a line, as the one who is told calls it.
fn target<'a>(place: Place<'a>, by: &Nick) -> &'a str {
    match place {
        Place::Room(room) => room.as_str(),
        Place::Direct { nick, me, .. } if me == by => nick.as_str(),
        Place::Direct { me, .. } => me.as_str(),
    }
}

/// As `nick!user@host`.
pub(super) fn mask(face: &Face) -> String {
    format!("{}!{}@{}", face.nick, face.user, face.host)
}

/// A new member.
pub(super) fn join(caps: Caps, who: &Face, room: &str) -> Line {
    let line = Line::new(&mask(who), "JOIN").param(room);
    if caps.has(Cap::ExtendedJoin) {
        line.param(who.account_name().map_or("*", |account| account.as_str())).last(&who.real)
    } else {
        line
    }
}

/// Whether somebody is away.
pub(super) fn away(who: &Face, presence: Presence, status: &str) -> Line {
    let line = Line::new(&mask(who), "AWAY");
    match presence {
        Presence::Online => line,
        _ if status.is_empty() => line.last(presence.word()),
        _ => line.last(status),
    }
}

/// Which account somebody has.
pub(super) fn account(who: &Face) -> Line {
    Line::new(&mask(who), "ACCOUNT").param(who.account_name().map_or("*", |account| account.as_str()))
}

/// How far somebody has read.
pub(super) fn marker(server: &str, target: &str, read: Option<u64>) -> Line {
    let stamp = read
        .filter(|read| *read > 0)
        .map_or("*".to_owned(), |read| format!("timestamp={}", time::format(read)));
    Line::new(server, "MARKREAD").param(target).param(&stamp)
}

fn reaction_tags(key: &str, of: MessageId, reaction: &str) -> Vec<(String, String)> {
    vec![("+draft/reply".to_owned(), of.to_string()), (key.to_owned(), reaction.to_owned())]
}

/// The letter of a role.
pub(super) fn letter(role: Role) -> Option<char> {
    match role {
        Role::Owner => Some('q'),
        Role::Admin => Some('o'),
        Role::Voiced => Some('v'),
        Role::Member => None,
    }
}

/// The prefix of a role.
pub(super) fn prefix(role: Role) -> Option<char> {
    match role {
        Role::Owner => Some('~'),
        Role::Admin => Some('@'),
        Role::Voiced => Some('+'),
        Role::Member => None,
    }
}

/// All prefixes of a member, the highest first, for clients that read more than one; otherwise the highest alone.
pub(super) fn prefixes(standing: &Standing, several: bool) -> String {
    let highest = prefix(standing.role);
    let voice = prefix(Role::Voiced).filter(|_| standing.voiced && several);
    highest.into_iter().chain(voice).collect()
}

fn role_modes(was: Role, is: Role, nick: &str) -> Vec<Made> {
    // Whoever was voiced keeps that beneath a higher role.
    let kept = was == is || was == Role::Voiced && is > was;
    let lost = letter(was).filter(|_| !kept).map(|letter| Made::new(false, letter, Some(nick)));
    let got = letter(is).map(|letter| Made::new(true, letter, Some(nick)));
    lost.into_iter().chain(got).collect()
}

/// A mask as IRC writes it: one of accounts is `a:name`.
pub(super) fn shown(mask: &str) -> &str {
    mask.strip_prefix('$').filter(|rest| rest.starts_with("a:")).unwrap_or(mask)
}

fn listed(add: bool, list: List, mask: &str) -> Made {
    let mask = shown(mask);
    match list {
        List::Bans => Made::new(add, 'b', Some(mask)),
        List::BanExceptions => Made::new(add, 'e', Some(mask)),
        List::InviteExceptions => Made::new(add, 'I', Some(mask)),
        List::Mutes => Made::new(add, 'b', Some(&format!("m:{mask}"))),
    }
}

fn set(setting: &Setting) -> Made {
    let number = |letter: char, value: Option<u32>| Made {
        add: value.is_some(),
        letter,
        param: value.map(|value| value.to_string()),
    };
    match setting {
        Setting::InviteOnly(on) => Made::new(*on, 'i', None),
        Setting::Secret(on) => Made::new(*on, 's', None),
        Setting::Moderated(on) => Made::new(*on, 'm', None),
        Setting::MembersOnly(on) => Made::new(*on, 'n', None),
        Setting::TopicLocked(on) => Made::new(*on, 't', None),
        Setting::AccountsOnly(on) => Made::new(*on, 'R', None),
        Setting::Permanent(on) => Made::new(*on, 'P', None),
        Setting::Key(Some(key)) => Made::new(true, 'k', Some(key)),
        Setting::Key(None) => Made::new(false, 'k', Some("*")),
        Setting::Limit(limit) => number('l', *limit),
        Setting::Slow(seconds) => number('f', *seconds),
        Setting::AccountsSpeak(on) => Made::new(*on, 'M', None),
        Setting::OpModerated(on) => Made::new(*on, 'U', None),
        Setting::NoCtcp(on) => Made::new(*on, 'C', None),
        Setting::Auditorium(on) => Made::new(*on, 'u', None),
        Setting::Forward(name) => Made::new(name.is_some(), 'f', name.as_ref().map(RoomName::as_str)),
    }
}

/// A message, in as many lines as it needs: framed as one where the client knows how.
fn message_lines(source: &str, to: &str, message: &Message, stamp: Stamp<'_>) -> Vec<Line> {
    let caps = stamp.caps;
    let verb = if message.style == Style::Notice { "NOTICE" } else { "PRIVMSG" };
    let begun = Line::new(source, verb).param(to);
    let whole = whole_text(message);
    let limit = begun.room();
    let around = if message.style == Style::Action { "\x01ACTION \x01".len() } else { 0 };
    let pieces = text::pieces_at(&whole, &cuts(message), limit.saturating_sub(around));
    let said = |piece: &Piece<'_>| match message.style {
        Style::Action => begun.clone().last(&format!("\x01ACTION {}\x01", piece.text)),
        Style::Text | Style::Notice => begun.clone().last(piece.text),
    };
    let tags = client_tags(message);
    if pieces.len() > 1 && caps.has(Cap::Multiline) && caps.has(Cap::Batch) && message.style != Style::Action
    {
        let reference = stamp.id.map_or("1".to_owned(), |id| id.to_string());
        let open = Line::new(source, "BATCH").param(&format!("+{reference}")).param(MULTILINE).param(to);
        let mut lines = vec![stamp.on(open, &tags)];
        lines.extend(pieces.iter().map(|piece| {
            let line = said(piece).tag("batch", &reference);
            if piece.concat { line.tag(CONCAT, "") } else { line }
        }));
        lines.push(Line::new(source, "BATCH").param(&format!("-{reference}")));
        return lines;
    }
    // Only the first line is the message by its id: an answer or a reaction to it can name one line only. Empty ones are not sent.
    let mut first = true;
    let shown = pieces.iter().filter(|piece| !piece.text.is_empty() || pieces.len() == 1);
    shown
        .map(|piece| {
            if std::mem::take(&mut first) {
                stamp.on(said(piece), &tags)
            } else {
                Stamp { id: None, ..stamp }.on(said(piece), &tags)
            }
        })
        .collect()
}

/// Where a client of IRC has cut a line that was too long, as [`batch`](super::talk) has noted it.
fn cuts(message: &Message) -> Vec<usize> {
    let noted = message.tags.iter().find(|(key, _)| key == CONCAT).map(|(_, cuts)| cuts.as_str());
    noted.unwrap_or_default().split(',').filter_map(|cut| cut.parse().ok()).collect()
}

/// Its text, with a line for each file.
fn whole_text(message: &Message) -> String {
    let mut whole = message.text.clone();
    for media in &message.media {
        if !whole.is_empty() {
            whole.push('\n');
        }
        whole.push_str(&format!("[file] {} ({}, {} bytes)", media.name, media.kind, media.size));
    }
    whole
}

fn client_tags(message: &Message) -> Vec<(String, String)> {
    let mut tags: Vec<_> = message.tags.iter().filter(|(key, _)| key.starts_with('+')).cloned().collect();
    if let Some(reply) = message.reply.or(message.thread)
        && !tags.iter().any(|(key, _)| key == "+draft/reply" || key == "+reply")
    {
        tags.push(("+draft/reply".to_owned(), reply.to_string()));
    }
    tags
}
