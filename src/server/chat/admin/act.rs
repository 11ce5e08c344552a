//! Doing what was asked.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Request;
use crate::proto::chat::event::Change;
use crate::proto::chat::id::Millis;
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::irc::time;
use crate::server::chat::accounts::{Accounts, Refusal};
use crate::server::chat::house::House;
use crate::server::chat::house::mailbox::Refused;
use crate::server::chat::store::StoreError;
use crate::server::chat::store::notices::{Notice, Notices};
use crate::server::keys::KeysError;

/// Things that are read from the store at once.
pub(super) const PAGE: usize = 500;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is no such account.
    #[error("there is no account {0}")]
    NoAccount(Nick),
    /// There is no such room.
    #[error("there is no room {0}")]
    NoRoom(RoomName),
    /// There is no such session.
    #[error("{0} has no such session")]
    NoSession(Nick),
    /// That is no fingerprint.
    #[error("{0:?} is no SHA-256 of a certificate: 64 hexadecimal digits")]
    NoFingerprint(String),
    /// There is no such notice.
    #[error("no notice of this number was given up")]
    NoNotice,
    /// The store keeps no notices.
    #[error("the store keeps no notices")]
    NoNotices,
    /// Neither an age nor a size was given.
    #[error("say how long, or how much, messages are kept")]
    NoLimit,
    /// The file exists.
    #[error("{0} exists already")]
    Exists(String),
    /// The accounts do not do it.
    #[error(transparent)]
    Accounts(#[from] Refusal),
    /// The store does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no new key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// It could not be written.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Whoever asked has gone.
    #[error("nobody listens to the answer")]
    Gone,
}

/// Does what is asked. Clones are the same.
#[derive(Clone)]
pub struct Act {
    pub(super) house: House,
    pub(super) accounts: Accounts,
    rotate: RotateKeys,
}

/// Has links to files signed with a new key.
pub type RotateKeys = Arc<dyn Fn() -> Result<(), KeysError> + Send + Sync>;

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Act").field("house", &self.house).finish_non_exhaustive()
    }
}

/// Where the rows of an answer go.
pub(super) type Out = mpsc::Sender<Value>;

pub(super) async fn put(out: &Out, row: Value) -> Result<(), AdminError> {
    out.send(row).await.map_err(|_| AdminError::Gone)
}

/// A time as people read it.
pub(super) fn at(millis: Millis) -> Value {
    time::format(millis).into()
}

impl Act {
    /// Administers this house.
    #[must_use]
    pub fn new(house: House, accounts: Accounts, rotate: RotateKeys) -> Self {
        Self { house, accounts, rotate }
    }

    /// Does it. Rows go to `out`; what is said in the end is a sentence, or nothing.
    ///
    /// # Errors
    /// Why not.
    pub async fn act(&self, request: Request, out: &mpsc::Sender<Value>) -> Result<String, AdminError> {
        use Request as R;
        match request {
            R::UserAdd { name, password, operator } => self.add(&name, password.as_deref(), operator).await,
            R::UserList => self.users(out).await,
            R::UserShow { name } => self.user(&name, out).await,
            R::UserPassword { name, password } => self.password(&name, &password).await,
            R::UserSuspend { name, reason } => self.suspend(&name, Some(&reason)).await,
            R::UserRestore { name } => self.suspend(&name, None).await,
            R::UserRole { name, operator } => self.role(&name, operator).await,
            R::UserRemove { name } => self.remove(&name).await,
            R::CertificateList { name } => self.certificates(&name, out).await,
            R::CertificateAdd { name, sha256 } => self.add_certificate(&name, &sha256).await,
            R::CertificateRemove { name, sha256 } => self.remove_certificate(&name, &sha256).await,
            R::SessionList { name } => self.sessions(&name, out).await,
            R::SessionEnd { name, which } => self.end_sessions(&name, which).await,
            R::RoomList => self.rooms(out).await,
            R::RoomShow { room } => self.room(&room, out).await,
            R::RoomClose { room } => {
                let found = self.room_named(&room)?;
                self.house.decree(&found, Change::Close).await?;
                Ok(format!("closed {room}"))
            }
            R::Retain { age, bytes } => self.retain(age, bytes).await,
            R::RotateKeys => {
                (self.rotate)()?;
                Ok("links are signed with a new key".to_owned())
            }
            R::Backup { file } => self.backup(&file).await,
            R::Export { room, direct } => self.export(room.as_ref(), direct, out).await,
            R::NoticeList => self.notices(out).await,
            R::NoticeRetry { which } => {
                let count = self.kept()?.revive(which.one(), self.house.now()).await?;
                if let Some(absent) = self.house.absent() {
                    absent.ring();
                }
                counted(count, which.one().is_some(), "to be tried again")
            }
            R::NoticeDrop { which } => {
                let count = self.kept()?.forget_dead(which.one()).await?;
                counted(count, which.one().is_some(), "forgotten")
            }
        }
    }

    async fn retain(&self, age: Option<Millis>, bytes: Option<u64>) -> Result<String, AdminError> {
        if age.is_none() && bytes.is_none() {
            return Err(AdminError::NoLimit);
        }
        let before = age.map(|age| self.house.now().saturating_sub(age));
        let forgotten = self.house.store().retain(before, bytes).await?;
        Ok(format!("forgot {forgotten} messages"))
    }

    async fn backup(&self, file: &Path) -> Result<String, AdminError> {
        match self.house.store().backup(file.to_owned()).await {
            Ok(()) => Ok(format!("wrote {}", file.display())),
            Err(StoreError::Taken) => Err(AdminError::Exists(file.display().to_string())),
            Err(error) => Err(error.into()),
        }
    }

    fn kept(&self) -> Result<&dyn Notices, AdminError> {
        self.house.store().notices().ok_or(AdminError::NoNotices)
    }

    async fn notices(&self, out: &Out) -> Result<String, AdminError> {
        let kept = self.kept()?;
        let mut after = 0;
        loop {
            let page = kept.dead(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.n;
            for notice in &page {
                put(out, self.notice(notice).await?).await?;
            }
        }
        Ok(String::new())
    }

    async fn notice(&self, notice: &Notice) -> Result<Value, AdminError> {
        let account = self.accounts.account(notice.account).await?;
        let room = self.house.room_by_id(notice.room);
        let room = room.as_ref().and_then(|room| room.name()).map_or("(direct)", |name| name.as_str());
        Ok(json!({
            "notice": notice.n,
            "account": account.as_ref().map(|account| account.name.as_str()),
            "kind": notice.kind.word(),
            "room": room,
            "id": notice.id,
            "to": notice.target,
            "attempts": notice.attempts,
            "dead": notice.dead.map(at),
            "error": notice.error,
        }))
    }
}

fn counted(count: usize, one: bool, what: &str) -> Result<String, AdminError> {
    if count == 0 && one {
        return Err(AdminError::NoNotice);
    }
    let noun = if count == 1 { "notice is" } else { "notices are" };
    Ok(format!("{count} {noun} {what}"))
}
