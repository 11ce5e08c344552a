//! Who others are, and how one shows oneself.

use serde_json::{Map, Value, json};

use super::login::fields;
use super::reply::{Failure, Reply};
use super::session::Talk;
use crate::proto::chat::name::Nick;
use crate::server::chat::house::presence::Device;
use crate::server::chat::house::told::Presence;

/// Bytes of a display name, a line about oneself, or a status at most.
const MAX_LINE: usize = 256;

/// Names that a session watches at most. Ergo 100, UnrealIRCd 128.
const MAX_WATCHED: usize = 200;

/// Accounts that one may block.
const MAX_BLOCKED: usize = 1000;

fn line(name: &str, text: &str) -> Result<(), Failure> {
    if text.len() > MAX_LINE {
        return Err(Failure::new("too_long", format!("{name}: at most {MAX_LINE} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Failure::new("bad_request", format!("{name}: control characters")));
    }
    Ok(())
}

/// The devices of an account, as others see them: of those that are not to be seen nobody but the account itself is told, and of no other one which login it is.
fn device_words(devices: &[Device], own: bool) -> Vec<Value> {
    let shown = devices.iter().filter(|device| own || device.shown.presence != Presence::Offline);
    shown
        .map(|Device { login, shown }| {
            let mut words = fields([("presence", shown.presence.word().into())]);
            if !shown.status.is_empty() {
                words.insert("status".into(), (*shown.status).into());
            }
            if let Some(login) = login.filter(|_| own) {
                words.insert("session".into(), json!(login));
            }
            words.into()
        })
        .collect()
}

impl Talk {
    pub(super) async fn whois(&mut self, name: &Nick) -> Reply {
        let mut user = self.door.house.user(name.as_str());
        let account = match &user {
            Some(user) => match user.face().account {
                Some((id, _)) => self.door.accounts.account(id).await?,
                None => None,
            },
            None => self.door.accounts.account_named(name).await?,
        };
        if let (None, Some(account)) = (&user, &account) {
            // By IRC, it may be here under another name.
            user = self.door.house.users_of(account.id).into_iter().max_by_key(|user| user.presence().0);
        }
        if user.is_none() && account.is_none() {
            return Err(Failure::new("no_such_user", "there is nobody of that name"));
        }
        let mut words = Map::new();
        words.insert("name".into(), name.as_str().into());
        let (presence, status) =
            user.as_ref().map_or((Presence::Offline, std::sync::Arc::default()), |user| user.presence());
        words.insert("presence".into(), presence.word().into());
        if presence != Presence::Offline && !status.is_empty() {
            words.insert("status".into(), (*status).into());
        }
        if let Some(account) = account {
            let own = self.account().is_ok_and(|mine| mine.id == account.id);
            let devices = device_words(&self.door.house.devices(account.id), own);
            match presence {
                Presence::Offline => {
                    let seen = self.door.house.last_seen(account.id).await?;
                    words.extend(seen.map(|at| ("last_seen".to_owned(), at.into())));
                }
                _ => drop(words.insert("devices".into(), devices.into())),
            }
            words.insert("account".into(), account.name.as_str().into());
            words.insert("since".into(), account.created.into());
            for (name, text) in [
                ("display", &account.profile.display),
                ("about", &account.profile.about),
                ("avatar", &account.profile.avatar),
            ] {
                if !text.is_empty() {
                    words.insert(name.into(), text.as_str().into());
                }
            }
            if account.operator {
                words.insert("operator".into(), true.into());
            }
            // What an account has decided is its own business.
            if own {
                let receipts = account.profile.read_receipts.unwrap_or(true);
                words.insert("read_receipts".into(), receipts.into());
                let mut blocked = Vec::new();
                for id in &account.profile.blocked {
                    let name = self.door.accounts.account(*id).await?;
                    blocked.extend(name.map(|account| Value::from(account.name.as_str())));
                }
                words.insert("blocked".into(), blocked.into());
            }
        }
        Ok(fields([("user", words.into())]))
    }

    pub(super) async fn profile(
        &mut self,
        display: Option<String>,
        about: Option<String>,
        avatar: Option<String>,
        read_receipts: Option<bool>,
    ) -> Reply {
        for (name, text) in [("display", &display), ("about", &about), ("avatar", &avatar)] {
            line(name, text.as_deref().unwrap_or_default())?;
        }
        let id = self.account()?.id;
        let shown = display.clone();
        let changed = self
            .door
            .accounts
            .edit_profile(id, move |profile| {
                profile.display = display.unwrap_or_else(|| std::mem::take(&mut profile.display));
                profile.about = about.unwrap_or_else(|| std::mem::take(&mut profile.about));
                profile.avatar = avatar.unwrap_or_else(|| std::mem::take(&mut profile.avatar));
                profile.read_receipts = read_receipts.or(profile.read_receipts);
            })
            .await?;
        if let Some(display) = shown {
            self.door.house.set_real_name(&self.me()?.user, &display);
        }
        self.keep_account(changed);
        Ok(Map::new())
    }

    pub(super) async fn block(&mut self, name: &Nick, on: bool) -> Reply {
        let id = self.account()?.id;
        let other = self.door.accounts.account_named(name).await?;
        let other = other.ok_or_else(|| Failure::new("no_such_user", "there is no such account"))?.id;
        if on && self.account()?.profile.blocked.len() >= MAX_BLOCKED {
            return Err(Failure::new("list_full", "the list is full"));
        }
        let changed = self
            .door
            .accounts
            .edit_profile(id, move |profile| {
                profile.blocked.retain(|blocked| *blocked != other);
                if on {
                    profile.blocked.push(other);
                }
            })
            .await?;
        self.keep_account(changed);
        Ok(Map::new())
    }

    /// Whom one hears: all, or accounts and those whom one has let.
    pub(super) fn accept(&mut self, guests: Option<bool>, name: Option<&Nick>, on: bool) -> Reply {
        let user = &self.me()?.user;
        if let Some(name) = name {
            let other = self.door.house.user(name.as_str());
            let other = other.ok_or_else(|| Failure::new("no_such_user", "there is nobody of that name"))?;
            if !self.door.house.accept(user, &other, on) {
                return Err(Failure::new("list_full", "the list is full"));
            }
        }
        if let Some(guests) = guests {
            self.door.house.set_reserved(user, !guests);
        }
        let names: Vec<Value> =
            self.door.house.accepted(user).iter().map(|name| name.as_str().into()).collect();
        Ok(fields([("guests", (!user.is_reserved()).into()), ("names", names.into())]))
    }

    fn keep_account(&mut self, account: std::sync::Arc<crate::server::chat::store::account::Account>) {
        if let Some((mine, _)) = self.me.as_mut().and_then(|me| me.account.as_mut()) {
            *mine = account;
        }
    }

    pub(super) async fn presence(&mut self, word: &str, status: &str, all: bool) -> Reply {
        line("status", status)?;
        let presence = Presence::of(word)
            .ok_or_else(|| Failure::new("bad_request", "presence: online, away, busy or offline"))?;
        let user = &self.me()?.user;
        match all {
            true => self.door.house.set_presence_of_all(user, &self.session, presence, status).await,
            false => self.door.house.set_presence(user, &self.session, presence, status).await,
        }
        Ok(Map::new())
    }

    pub(super) fn watch(&mut self, names: &[Nick]) -> Reply {
        let mut found = Vec::new();
        for name in names {
            if !self.watched.contains(name) {
                if self.watched.len() >= MAX_WATCHED {
                    return Err(Failure::new("list_full", format!("at most {MAX_WATCHED} names")));
                }
                self.door.house.watch(&self.session, name);
                self.watched.push(name.clone());
            }
            found.push(self.shown(name));
        }
        Ok(fields([("users", found.into())]))
    }

    pub(super) fn unwatch(&mut self, names: &[Nick]) -> Reply {
        for name in names {
            self.door.house.unwatch(self.session.id, name);
            self.watched.retain(|watched| watched != name);
        }
        Ok(Map::new())
    }

    fn shown(&self, name: &Nick) -> Value {
        let user = self.door.house.user(name.as_str());
        let presence = user.map_or(Presence::Offline, |user| user.presence().0);
        json!({"name": name.as_str(), "presence": presence.word()})
    }
}
