//! Accounts and their sessions.

use std::sync::Arc;

use serde_json::json;

use super::act::{Act, AdminError, Out, PAGE, at, put};
use super::request::Which;
use crate::proto::chat::event::{Change, RoomKind, Who};
use crate::proto::chat::id::MessageId;
use crate::proto::chat::name::{Nick, RoomName};
use crate::server::chat::store::account::Account;
use crate::server::hex;

/// Why an account is suspended while it is being removed.
const REMOVED: &str = "the account is removed";

impl Act {
    async fn named(&self, name: &Nick) -> Result<Arc<Account>, AdminError> {
        let found = self.accounts.account_named(name).await?;
        found.ok_or_else(|| AdminError::NoAccount(name.clone()))
    }

    pub(super) async fn add(
        &self,
        name: &str,
        password: Option<&str>,
        operator: bool,
    ) -> Result<String, AdminError> {
        let account = self.accounts.create(name, password, operator).await?;
        Ok(format!("added {}", account.name))
    }

    pub(super) async fn users(&self, out: &Out) -> Result<String, AdminError> {
        let mut after = None;
        loop {
            let page = self.house.store().accounts(after.take(), PAGE).await?;
            for account in &page {
                let row = json!({
                    "name": account.name.as_str(),
                    "role": role(account.operator),
                    "state": if account.suspended.is_some() { "suspended" } else { "active" },
                    "here": !self.house.users_of(account.id).is_empty(),
                    "created": at(account.created),
                    "email": account.profile.email,
                });
                put(out, row).await?;
            }
            match page.last() {
                Some(last) => after = Some(last.name.clone()),
                None => return Ok(String::new()),
            }
        }
    }

    pub(super) async fn user(&self, name: &Nick, out: &Out) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        let rooms = self.house.rooms_of(account.id);
        let mut names: Vec<_> = rooms.iter().filter_map(|room| room.name()).map(RoomName::as_str).collect();
        names.sort_unstable();
        let sessions = self.accounts.sessions(account.id).await?;
        let used = sessions.iter().map(|session| session.used).max();
        let row = json!({
            "name": account.name.as_str(),
            "account": account.id,
            "role": role(account.operator),
            "state": if account.suspended.is_some() { "suspended" } else { "active" },
            "reason": account.suspended.as_ref().map(|(_, reason)| reason),
            "suspended": account.suspended.as_ref().map(|(since, _)| at(*since)),
            "here": !self.house.users_of(account.id).is_empty(),
            "created": at(account.created),
            "used": used.map(at),
            "password": account.password.is_some(),
            "certificates": account.certificates.len(),
            "sessions": sessions.len(),
            "email": account.profile.email,
            "display": account.profile.display,
            "rooms": names,
        });
        put(out, row).await?;
        Ok(String::new())
    }

    pub(super) async fn password(&self, name: &Nick, password: &str) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        self.accounts.set_password(&account, password).await?;
        Ok(format!("{} has another password, and is logged out", account.name))
    }

    pub(super) async fn suspend(&self, name: &Nick, reason: Option<&str>) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        self.accounts.suspend(account.id, reason).await?;
        let what = if reason.is_some() { "is suspended, and logged out" } else { "may log in again" };
        Ok(format!("{} {what}", account.name))
    }

    pub(super) async fn role(&self, name: &Nick, operator: bool) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        self.accounts.set_operator(account.id, operator).await?;
        for user in self.house.users_of(account.id) {
            self.house.set_operator(&user, operator);
        }
        Ok(format!("{} is {} now", account.name, if operator { "an operator" } else { "no operator" }))
    }

    /// Out of its rooms first: what is forgotten cannot leave. Its direct rooms stay with the others.
    pub(super) async fn remove(&self, name: &Nick) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        self.accounts.suspend(account.id, Some(REMOVED)).await?;
        for room in self.house.rooms_of(account.id) {
            let who = Who::Account(account.id);
            let nick = room.look(|room| match room.kind() {
                RoomKind::Direct => None,
                _ => room.member(&who).map(|member| member.nick.clone()),
            });
            if let Some(nick) = nick {
                self.house.decree(&room, Change::Kick { who, nick, reason: Some(REMOVED.into()) }).await?;
            }
        }
        self.accounts.remove(account.id).await?;
        Ok(format!("removed {}", account.name))
    }

    pub(super) async fn certificates(&self, name: &Nick, out: &Out) -> Result<String, AdminError> {
        for sha256 in &self.named(name).await?.certificates {
            put(out, json!({ "sha256": hex::encode(sha256) })).await?;
        }
        Ok(String::new())
    }

    pub(super) async fn add_certificate(&self, name: &Nick, sha256: &str) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        self.accounts.add_certificate(account.id, fingerprint(sha256)?).await?;
        Ok(format!("{sha256} opens {}", account.name))
    }

    pub(super) async fn remove_certificate(&self, name: &Nick, sha256: &str) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        self.accounts.remove_certificate(account.id, fingerprint(sha256)?).await?;
        Ok(format!("{sha256} opens {} no longer", account.name))
    }

    pub(super) async fn sessions(&self, name: &Nick, out: &Out) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        for session in self.accounts.sessions(account.id).await? {
            let row = json!({
                "session": session.id,
                "device": session.device,
                "created": at(session.created),
                "used": at(session.used),
                "expires": at(session.expires),
            });
            put(out, row).await?;
        }
        Ok(String::new())
    }

    pub(super) async fn end_sessions(
        &self,
        name: &Nick,
        which: Which<MessageId>,
    ) -> Result<String, AdminError> {
        let account = self.named(name).await?;
        match which {
            Which::All => self.accounts.end_sessions(account.id, None).await?,
            Which::One(session) => {
                if !self.accounts.end_session(account.id, session).await? {
                    return Err(AdminError::NoSession(account.name.clone()));
                }
            }
        }
        Ok(format!("logged out {}", account.name))
    }
}

fn fingerprint(sha256: &str) -> Result<[u8; 32], AdminError> {
    hex::decode(sha256).ok_or_else(|| AdminError::NoFingerprint(sha256.to_owned()))
}

fn role(operator: bool) -> &'static str {
    if operator { "operator" } else { "member" }
}
