//! From a verb to what does it.

use super::reply::{Failure, Reply};
use super::session::{Answer, Talk};
use crate::proto::chat::event::{Change, Role, Setting};
use crate::proto::chat::json::verbs::Request;

/// What a switch of a room sets.
type Switch = fn(bool) -> Setting;

fn now(reply: Reply) -> Result<Answer, Failure> {
    reply.map(Answer::Now)
}

impl Talk {
    pub(super) async fn dispatch(&mut self, request: Request) -> Result<Answer, Failure> {
        use Request as R;
        match request {
            R::Help { verb } => now(Self::help(verb.as_deref())),
            R::Ping {} => Ok(Answer::Now(serde_json::Map::new())),
            R::Guest { name } => now(self.guest(name).await),
            R::Register { account, password, email, code, device } => now(self
                .register(&account, &password, email.as_deref(), code.as_deref(), device.as_deref())
                .await),
            R::Login { account, password, device, resume } => {
                now(self.log_in(&account, &password, device.as_deref(), resume).await)
            }
            R::Token { token, resume } => now(self.token(&token, resume).await),
            R::Jwt { jwt, device, resume } => now(self.jwt(&jwt, device.as_deref(), resume).await),
            R::Logout { all } => now(self.log_out(all.unwrap_or(false)).await),
            R::Password { old, new } => now(self.password(&old, &new).await),
            R::Sessions {} => now(self.sessions().await),
            R::Revoke { session } => now(self.revoke(session).await),
            R::Whois { name } => now(self.whois(&name).await),
            R::Profile { display, about, avatar, read_receipts } => {
                now(self.profile(display, about, avatar, read_receipts).await)
            }
            R::Accept { guests, name, on } => now(self.accept(guests, name.as_ref(), on.unwrap_or(true))),
            R::Block { name, on } => now(self.block(&name, on).await),
            R::Presence { presence, status, all } => {
                now(self.presence(&presence, status.as_deref().unwrap_or(""), all.unwrap_or(false)).await)
            }
            R::Watch { names } => now(self.watch(&names)),
            R::Unwatch { names } => now(self.unwatch(&names)),
            R::Rooms { search, after, limit } => now(self.rooms(search.as_deref(), after.as_ref(), limit)),
            R::Create { room, kind } => now(self.create(&room, kind).await),
            R::Join { room, key } => now(self.join(&room, key.as_deref()).await),
            R::Leave { room, reason } => now(self.leave(&room, reason).await),
            R::Room { room } => now(self.room(&room).await),
            R::Members { room, after, limit } => now(self.members(&room, after.as_ref(), limit).await),
            R::Invite { room, name } => {
                let who = self.who(&room, &name).await?;
                now(self.change(&room, Change::Invite { who, nick: name }).await)
            }
            R::Kick { room, name, reason } => {
                let reason = self.reason(reason)?;
                let who = self.who(&room, &name).await?;
                now(self.change(&room, Change::Kick { who, nick: name, reason }).await)
            }
            R::Role { room, name, role } => now(self.role(&room, name, role).await),
            R::Topic { room, topic } => now(self.topic(&room, topic).await),
            R::Set {
                room,
                invite_only,
                secret,
                moderated,
                members_only,
                topic_locked,
                accounts_only,
                key,
                limit,
                slow,
                accounts_speak,
                op_moderated,
                no_ctcp,
                auditorium,
                forward,
            } => {
                let switches: [(Switch, Option<bool>); 10] = [
                    (Setting::InviteOnly, invite_only),
                    (Setting::Secret, secret),
                    (Setting::Moderated, moderated),
                    (Setting::MembersOnly, members_only),
                    (Setting::TopicLocked, topic_locked),
                    (Setting::AccountsOnly, accounts_only),
                    (Setting::AccountsSpeak, accounts_speak),
                    (Setting::OpModerated, op_moderated),
                    (Setting::NoCtcp, no_ctcp),
                    (Setting::Auditorium, auditorium),
                ];
                let switched = switches.into_iter().filter_map(|(kind, on)| on.map(kind)).collect();
                now(self.set(&room, switched, key, limit, slow, forward).await)
            }
            R::List { room, list, mask, seconds, reason } => {
                now(self.list(&room, list, &mask, seconds, reason).await)
            }
            R::Unlist { room, list, mask } => now(self.unlist(&room, list, &mask).await),
            R::Lists { room } => now(self.lists(&room)),
            R::Close { room } => now(self.change(&room, Change::Close).await),
            R::Audit { room, before, limit } => now(self.audit(&room, before, limit).await),
            R::Send { room, text, cid, style, reply, thread, media } => {
                let message = crate::proto::chat::event::Message {
                    text,
                    style: style.unwrap_or_default(),
                    reply,
                    thread,
                    ..Default::default()
                };
                self.send(&room, message, cid, &media).await
            }
            R::Edit { room, message, text } => {
                self.text(&text)?;
                self.about(&room, message, Change::Edit { of: message, text }).await
            }
            R::Delete { room, message, reason } => {
                let reason = self.reason(reason)?;
                self.about(&room, message, Change::Delete { of: message, reason }).await
            }
            R::React { room, message, reaction } => {
                let reaction = Self::reaction(reaction)?;
                self.about(&room, message, Change::React { to: message, reaction }).await
            }
            R::Unreact { room, message, reaction } => {
                let reaction = Self::reaction(reaction)?;
                self.about(&room, message, Change::Unreact { to: message, reaction }).await
            }
            R::Pin { room, message } => self.about(&room, message, Change::Pin { message }).await,
            R::Unpin { room, message } => self.about(&room, message, Change::Unpin { message }).await,
            R::Pins { room } => now(self.pins(&room).await),
            R::History { room, before, after, around, since, thread, limit } => {
                now(self.history(&room, [before, after], around, since, thread, limit).await)
            }
            R::Search { text, room, from, since, before, limit } => {
                now(self.search(text, room.as_ref(), from.as_ref(), since, before, limit).await)
            }
            R::Typing { room, on } => now(self.typing(&room, on).await),
            R::Delivered { room, seq } => now(self.cursor(&room, seq, 0).await),
            R::Read { room, seq } => now(self.cursor(&room, seq, seq).await),
            R::Receipts { room } => now(self.receipts(&room).await),
            R::Notify { room, level } => now(self.notify(&room, level).await),
            R::Push { endpoint, p256dh, auth } => now(self.push(endpoint, &p256dh, &auth).await),
            R::Unpush { endpoint } => now(self.unpush(endpoint).await),
            R::Upload { name, size } => now(self.upload(&name, size)),
            R::Link { digest } => now(self.link(&digest)),
        }
    }

    async fn role(
        &mut self,
        room: &crate::proto::chat::name::RoomName,
        name: crate::proto::chat::name::Nick,
        role: Role,
    ) -> Reply {
        let who = self.who(room, &name).await?;
        self.change(room, Change::Role { who, nick: name, role }).await
    }
}
