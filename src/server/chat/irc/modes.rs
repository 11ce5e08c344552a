//! MODE: of channels and of oneself (Modern IRC, "MODE message").

use std::sync::Arc;

use super::client::Client;
use super::dialect::{mask, shown as masked};
use super::registration::MAX_KEY;
use crate::proto::chat::event::{Change, List, Role, Setting};
use crate::proto::chat::mask::Mask;
use crate::proto::chat::name::RoomName;
use crate::proto::chat::room::{Refusal, Room, Settings};
use crate::proto::irc::message::Message;
use crate::proto::irc::mode::{self, Made};
use crate::proto::irc::numeric;
use crate::server::chat::house::mailbox::Refused;
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::user::{INVISIBLE, User, WALLOPS};

/// Seconds of slow mode at most: six hours, as Discord has.
const MAX_SLOW: u32 = 6 * 3600;

impl Client {
    pub(super) async fn mode(&mut self, message: &Message<'_>) {
        let name = message.params()[0];
        if !name.starts_with('#') {
            return self.user_mode(message);
        }
        let Some(user) = self.user.clone() else { return };
        let Some(room) = self.visible(name) else {
            return self.reply(numeric::ERR_NOSUCHCHANNEL, &[name]);
        };
        if message.params().len() == 1 {
            return self.show_modes(&user, &room, name);
        }
        let asked = mode::parse_channel(&message.params()[1..]);
        for letter in &asked.unknown {
            self.reply(numeric::ERR_UNKNOWNMODE, &[&letter.to_string()]);
        }
        for letter in &asked.lists {
            self.show_list(&room, name, *letter);
        }
        let needs_no_right =
            asked.missing.is_empty() && asked.changes.iter().all(|change| steps_down(&user, change));
        if !needs_no_right && let Err(refusal) = room.ask(&user.face(), Room::may_moderate) {
            // Whoever may change nothing is told so, and not what would be wrong with it.
            return self.refused(name, &refusal.into());
        }
        for letter in &asked.missing {
            let text = "You must give a parameter";
            self.reply_text(numeric::ERR_INVALIDMODEPARAM, &[name, &letter.to_string(), "*"], text);
        }
        // What was said before stands in front, and what became of it is known.
        self.wait().await;
        let before = self.own_lines();
        self.replies.extend(before);
        let at = self.replies.len();
        for change in &asked.changes {
            let outcome = self.change_mode(&user, &room, name, change).await;
            if let Err(refused) = outcome {
                self.refused(name, &refused);
                break;
            }
        }
        // Whoever changes several modes at once reads of all of them at once.
        let made = mode::joined(self.own_lines());
        self.replies.splice(at..at, made);
    }

    fn show_modes(&mut self, user: &User, room: &RoomCell, name: &str) {
        let inside = user.is_in(room.id());
        let (made, created) = room.look(|room| (set_modes(room.settings(), inside), room.created()));
        let (letters, params) = mode::write(&made);
        let letters = if letters.is_empty() { "+".to_owned() } else { letters };
        let mut shown = vec![name, &letters];
        shown.extend(params);
        self.reply_bare(numeric::RPL_CHANNELMODEIS, &shown);
        self.reply_bare(numeric::RPL_CREATIONTIME, &[name, &(created / 1000).to_string()]);
    }

    fn show_list(&mut self, room: &RoomCell, name: &str, letter: char) {
        let now = self.door.house.now();
        let lists: &[(List, &str)] = match letter {
            'e' => &[(List::BanExceptions, "")],
            'I' => &[(List::InviteExceptions, "")],
            _ => &[(List::Bans, ""), (List::Mutes, "m:")],
        };
        let (row, end) = match letter {
            'e' => (numeric::RPL_EXCEPTLIST, numeric::RPL_ENDOFEXCEPTLIST),
            'I' => (numeric::RPL_INVEXLIST, numeric::RPL_ENDOFINVEXLIST),
            _ => (numeric::RPL_BANLIST, numeric::RPL_ENDOFBANLIST),
        };
        for (list, before) in lists {
            let listed: Vec<_> = room.look(|room| room.listed(*list, now).cloned().collect());
            for found in listed {
                let shown = format!("{before}{}", masked(found.mask.as_str()));
                self.reply_bare(row, &[name, &shown, &found.by, &(found.at / 1000).to_string()]);
            }
        }
        self.reply(end, &[name]);
    }

    /// Makes one change. What is wrong with its parameter is told, and is no error.
    async fn change_mode(
        &mut self,
        user: &Arc<User>,
        room: &Arc<RoomCell>,
        name: &str,
        asked: &mode::Change<'_>,
    ) -> Result<(), Refused> {
        let change = match asked.letter {
            'b' | 'e' | 'I' => self.mask_change(room, name, asked),
            'q' | 'o' | 'v' => self.role_change(room, name, asked),
            _ => self.setting_change(user, room, name, asked),
        };
        let Some(change) = change else { return Ok(()) };
        let both = matches!(change, Change::Set(Setting::Forward(None)));
        self.door.house.change(user, room, change, None).await?;
        if both && room.look(|room| room.settings().slow.is_some()) {
            self.door.house.change(user, room, Change::Set(Setting::Slow(None)), None).await?;
        }
        Ok(())
    }

    fn bad_param(&mut self, name: &str, asked: &mode::Change<'_>, text: &str) {
        let param = asked.param.filter(|param| !param.is_empty()).unwrap_or("*");
        self.reply_text(numeric::ERR_INVALIDMODEPARAM, &[name, &asked.letter.to_string(), param], text);
    }

    fn mask_change(&mut self, room: &RoomCell, name: &str, asked: &mode::Change<'_>) -> Option<Change> {
        let param = asked.param?;
        let muted = param.strip_prefix("m:").filter(|_| asked.letter != 'I');
        let text = muted.unwrap_or(param);
        let text = if text.starts_with("a:") { format!("${text}") } else { text.to_owned() };
        let Ok(mask) = Mask::parse(&text) else {
            self.bad_param(name, asked, "Invalid mask");
            return None;
        };
        let list = match (asked.letter, muted) {
            ('e', _) => List::BanExceptions,
            ('I', _) => List::InviteExceptions,
            (_, Some(_)) => List::Mutes,
            _ => List::Bans,
        };
        let now = self.door.house.now();
        let known = room.look(|room| room.listed(list, now).any(|listed| listed.mask.same(&mask)));
        match (asked.add, known) {
            (true, false) => Some(Change::Listed { list, mask, until: None, reason: None }),
            (false, true) => Some(Change::Unlisted { list, mask }),
            _ => None,
        }
    }

    fn role_change(&mut self, room: &RoomCell, name: &str, asked: &mode::Change<'_>) -> Option<Change> {
        let nick = asked.param?;
        let Some((who, shown)) = self.member(room, nick) else {
            let here = self.door.house.user(nick).is_some();
            if here {
                self.reply(numeric::ERR_USERNOTINCHANNEL, &[nick, name]);
            } else {
                self.reply(numeric::ERR_NOSUCHNICK, &[nick]);
            }
            return None;
        };
        let member = room.look(|room| room.member(&who).map(|member| (member.role, member.voiced)));
        let (is, voiced) = member.unwrap_or_default();
        let wanted = match asked.letter {
            'q' => Role::Owner,
            'o' => Role::Admin,
            _ if is > Role::Voiced => {
                let voice = Change::Voice { who, nick: shown, on: asked.add };
                return (voiced != asked.add).then_some(voice);
            }
            _ => Role::Voiced,
        };
        let role = match asked.add {
            true if is < wanted => wanted,
            false if is == wanted && voiced => Role::Voiced,
            false if is == wanted => Role::Member,
            _ => return None,
        };
        Some(Change::Role { who, nick: shown, role })
    }

    /// Where those go who may not enter: to another channel, which the same operator has.
    fn forward_change(
        &mut self,
        user: &User,
        name: &str,
        asked: &mode::Change<'_>,
        is: Option<&RoomName>,
    ) -> Option<Change> {
        let target = asked.param.unwrap_or_default();
        match self.door.house.may_forward(user, name, target) {
            Ok(to) => (is != Some(&to)).then_some(Change::Set(Setting::Forward(Some(to)))),
            Err(Refusal::NoSuchRoom) => {
                self.bad_param(name, asked, "There is no such channel to go on to");
                None
            }
            Err(_) => {
                self.reply(numeric::ERR_CHANOPRIVSNEEDED, &[target]);
                None
            }
        }
    }

    fn setting_change(
        &mut self,
        user: &User,
        room: &RoomCell,
        name: &str,
        asked: &mode::Change<'_>,
    ) -> Option<Change> {
        let is = room.look(|room| room.settings().clone());
        let add = asked.add;
        let flag = |was: bool, setting: Setting| (was != add).then_some(Change::Set(setting));
        match asked.letter {
            'i' => flag(is.invite_only, Setting::InviteOnly(add)),
            's' => flag(is.secret, Setting::Secret(add)),
            'm' => flag(is.moderated, Setting::Moderated(add)),
            'n' => flag(is.members_only, Setting::MembersOnly(add)),
            't' => flag(is.topic_locked, Setting::TopicLocked(add)),
            'P' => flag(is.permanent, Setting::Permanent(add)),
            'R' => flag(is.accounts_only, Setting::AccountsOnly(add)),
            'M' => flag(is.accounts_speak, Setting::AccountsSpeak(add)),
            'U' => flag(is.op_moderated, Setting::OpModerated(add)),
            'C' => flag(is.no_ctcp, Setting::NoCtcp(add)),
            'u' => flag(is.auditorium, Setting::Auditorium(add)),
            'f' if asked.param.is_some_and(|param| param.starts_with('#')) => {
                self.forward_change(user, name, asked, is.forward.as_ref())
            }
            'k' if add => {
                let key = asked.param.unwrap_or_default();
                let fits = (1..=MAX_KEY).contains(&key.len()) && !key.contains([' ', ',', ':']);
                if !fits || key.chars().any(char::is_control) {
                    self.reply(numeric::ERR_INVALIDKEY, &[name]);
                    return None;
                }
                (is.key.as_deref() != Some(key)).then(|| Change::Set(Setting::Key(Some(key.to_owned()))))
            }
            'k' => is.key.is_some().then_some(Change::Set(Setting::Key(None))),
            'l' | 'f' if add => {
                let limit = if asked.letter == 'f' { MAX_SLOW } else { u32::MAX };
                let number = asked.param.and_then(|param| param.parse::<u32>().ok());
                let Some(number) = number.filter(|number| (1..=limit).contains(number)) else {
                    self.bad_param(name, asked, "It is no number, or one that is not allowed");
                    return None;
                };
                let (was, setting) = match asked.letter {
                    'l' => (is.limit, Setting::Limit(Some(number))),
                    _ => (is.slow, Setting::Slow(Some(number))),
                };
                (was != Some(number)).then_some(Change::Set(setting))
            }
            'l' => is.limit.is_some().then_some(Change::Set(Setting::Limit(None))),
            // Both are taken away by the same letter, one after the other.
            'f' if is.forward.is_some() => Some(Change::Set(Setting::Forward(None))),
            'f' => is.slow.is_some().then_some(Change::Set(Setting::Slow(None))),
            _ => None,
        }
    }

    fn user_mode(&mut self, message: &Message<'_>) {
        let Some(user) = self.user.clone() else { return };
        let (nick, face) = (message.params()[0], user.face());
        if !face.nick.as_str().eq_ignore_ascii_case(nick) {
            let known = self.door.house.user(nick).is_some();
            let numeric = if known { numeric::ERR_USERSDONTMATCH } else { numeric::ERR_NOSUCHNICK };
            return if known { self.reply(numeric, &[]) } else { self.reply(numeric, &[nick]) };
        }
        let Some(letters) = message.given(1) else {
            let modes = self.user_modes(&user);
            return self.reply_bare(numeric::RPL_UMODEIS, &[&modes]);
        };
        let (changes, unknown) = mode::parse_user(letters);
        if unknown {
            self.reply(numeric::ERR_UMODEUNKNOWNFLAG, &[]);
        }
        let made: Vec<Made> = changes
            .into_iter()
            .filter(|(add, letter)| self.set_user_mode(&user, *add, *letter))
            .map(|(add, letter)| Made::new(add, letter, None))
            .collect();
        self.replies.extend(mode::lines(&mask(&face), face.nick.as_str(), &made));
    }

    /// Sets a mode of the user. Says whether something has changed.
    fn set_user_mode(&mut self, user: &Arc<User>, add: bool, letter: char) -> bool {
        let bit = match letter {
            'i' => INVISIBLE,
            'w' => WALLOPS,
            'B' => {
                let changed = user.face().bot != add;
                self.door.house.set_bot(user, add);
                return changed;
            }
            'R' => return self.door.house.set_reserved(user, add),
            'T' => return self.door.house.set_without_ctcp(user, add),
            'o' if !add && user.face().operator => {
                self.door.house.set_operator(user, false);
                return true;
            }
            _ => return false,
        };
        self.door.house.set_modes(user, self.session(), bit, add)
    }

    /// The modes of a user, as `+iw`.
    pub(super) fn user_modes(&self, user: &User) -> String {
        let face = user.face();
        let bits = user.modes();
        let mut modes = "+".to_owned();
        let on = |letter: char| match letter {
            'B' => face.bot,
            'R' => user.is_reserved(),
            'T' => user.is_without_ctcp(),
            'i' => bits & INVISIBLE != 0,
            'o' => face.operator,
            'r' => face.account.is_some(),
            _ => bits & WALLOPS != 0,
        };
        modes.extend(mode::USER.iter().map(|(letter, ..)| *letter).filter(|letter| on(*letter)));
        modes
    }
}

/// Whether somebody gives up what it is itself, which needs no right.
fn steps_down(user: &User, change: &mode::Change<'_>) -> bool {
    let own = |param: &str| user.face().nick.as_str().eq_ignore_ascii_case(param);
    !change.add && matches!(change.letter, 'q' | 'o' | 'v') && change.param.is_some_and(own)
}

/// What is set in a room. The key is for members.
fn set_modes(settings: &Settings, inside: bool) -> Vec<Made> {
    let flags = [
        ('C', settings.no_ctcp),
        ('M', settings.accounts_speak),
        ('P', settings.permanent),
        ('R', settings.accounts_only),
        ('U', settings.op_moderated),
        ('i', settings.invite_only),
        ('m', settings.moderated),
        ('n', settings.members_only),
        ('s', settings.secret),
        ('t', settings.topic_locked),
        ('u', settings.auditorium),
    ];
    let mut made: Vec<Made> =
        flags.into_iter().filter(|(_, on)| *on).map(|(letter, _)| Made::new(true, letter, None)).collect();
    if let Some(key) = &settings.key {
        made.push(Made::new(true, 'k', Some(if inside { key } else { "*" })));
    }
    for (letter, value) in [('l', settings.limit), ('f', settings.slow)] {
        if let Some(value) = value {
            made.push(Made::new(true, letter, Some(&value.to_string())));
        }
    }
    if let Some(forward) = &settings.forward {
        made.push(Made::new(true, 'f', Some(forward.as_str())));
    }
    made
}
