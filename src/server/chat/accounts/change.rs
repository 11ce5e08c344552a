//! Changes of accounts, by their owners and by operators.

use std::sync::Arc;

use super::super::store::account::{Account, AccountChange, Profile};
use super::config::MAX_CERTIFICATES;
use super::{Accounts, Client, Ending, Refusal};
use crate::proto::chat::id::{AccountId, MessageId};

impl Accounts {
    /// Changes a password for its owner, who has to know the old one. If the configuration says so, all sessions but `session` end.
    ///
    /// # Errors
    /// As for [`confirm`](Self::confirm); [`Refusal::Weak`].
    pub async fn change_password(
        &self,
        account: &Account,
        old: &str,
        new: &str,
        session: Option<MessageId>,
        client: &Client,
    ) -> Result<(), Refusal> {
        self.judge(new, &account.name)?;
        self.confirm(account, old, client).await?;
        self.keep_password(account.id, new).await?;
        if self.0.config.password_ends_others {
            self.end_sessions(account.id, session).await?;
        }
        Ok(())
    }

    /// Gives an account a password, by an operator. All its sessions end.
    ///
    /// # Errors
    /// [`Refusal::Weak`], [`Refusal::None`], [`Refusal::Busy`], or the store's.
    pub async fn set_password(&self, account: &Account, new: &str) -> Result<(), Refusal> {
        self.judge(new, &account.name)?;
        self.keep_password(account.id, new).await?;
        self.end_sessions(account.id, None).await
    }

    async fn keep_password(&self, id: AccountId, new: &str) -> Result<(), Refusal> {
        let password = self.0.hasher.hash(new.to_owned()).await?;
        self.change(id, |_| Ok(AccountChange::Password(Some(password)))).await.map(drop)
    }

    /// Suspends an account: nobody can log in to it, and all its sessions end. `None` ends the suspension.
    ///
    /// # Errors
    /// [`Refusal::None`], or the store's.
    pub async fn suspend(&self, id: AccountId, reason: Option<&str>) -> Result<Arc<Account>, Refusal> {
        let suspended = reason.map(|reason| (self.now(), reason.to_owned()));
        let account = self.change(id, |_| Ok(AccountChange::Suspended(suspended))).await?;
        if reason.is_some() {
            self.end_sessions(id, None).await?;
        }
        Ok(account)
    }

    /// Makes an account an operator of the server, or no operator.
    ///
    /// # Errors
    /// [`Refusal::None`], or the store's.
    pub async fn set_operator(&self, id: AccountId, operator: bool) -> Result<Arc<Account>, Refusal> {
        self.change(id, |_| Ok(AccountChange::Operator(operator))).await
    }

    /// Changes what an account tells of itself. `edit` gets its profile as it is now.
    ///
    /// # Errors
    /// [`Refusal::None`], or the store's.
    pub async fn edit_profile(
        &self,
        id: AccountId,
        edit: impl FnOnce(&mut Profile) + Send,
    ) -> Result<Arc<Account>, Refusal> {
        let edit = |account: &Account| {
            let mut profile = account.profile.clone();
            edit(&mut profile);
            Ok(AccountChange::Profile(profile))
        };
        self.change(id, edit).await
    }

    /// Lets a certificate, given by its SHA-256, open an account.
    ///
    /// # Errors
    /// [`Refusal::Certificates`] if it has too many, [`Refusal::Taken`] if it opens another account, [`Refusal::None`], or the store's.
    pub async fn add_certificate(&self, id: AccountId, digest: [u8; 32]) -> Result<Arc<Account>, Refusal> {
        let owner = self.0.store.account_of_certificate(digest).await?;
        if owner.is_some_and(|owner| owner.id != id) {
            return Err(Refusal::Taken);
        }
        let add = |account: &Account| {
            let mut all = account.certificates.clone();
            if !all.contains(&digest) {
                if all.len() >= MAX_CERTIFICATES {
                    return Err(Refusal::Certificates(MAX_CERTIFICATES));
                }
                all.push(digest);
            }
            Ok(AccountChange::Certificates(all))
        };
        self.change(id, add).await
    }

    /// Takes a certificate away from an account.
    ///
    /// # Errors
    /// [`Refusal::None`] if it has no such certificate, or the store's.
    pub async fn remove_certificate(&self, id: AccountId, digest: [u8; 32]) -> Result<Arc<Account>, Refusal> {
        let remove = |account: &Account| {
            let mut all = account.certificates.clone();
            let at = all.iter().position(|known| *known == digest).ok_or(Refusal::None)?;
            all.remove(at);
            Ok(AccountChange::Certificates(all))
        };
        self.change(id, remove).await
    }

    /// Reads an account, decides, and changes it, while nobody else on this node does.
    async fn change(
        &self,
        id: AccountId,
        decide: impl FnOnce(&Account) -> Result<AccountChange, Refusal> + Send,
    ) -> Result<Arc<Account>, Refusal> {
        let _one_at_a_time = self.0.changing.lock().await;
        let account = self.0.store.accounts_by_id(vec![id]).await?.pop().ok_or(Refusal::None)?;
        let changed = self.0.store.change_account(id, decide(&account)?).await;
        // Even after an error: it may have been changed.
        self.0.cache.forget(id);
        // An error says that nobody listens.
        let _nobody = self.0.changes.send(id);
        Ok(Arc::new(changed?))
    }

    /// Forgets an account, by an operator: nobody logs in to it again, and its name is free.
    ///
    /// # Errors
    /// [`Refusal::None`], or the store's.
    pub async fn remove(&self, id: AccountId) -> Result<(), Refusal> {
        let _one_at_a_time = self.0.changing.lock().await;
        let removed = self.0.store.remove_account(id).await;
        self.0.cache.forget(id);
        self.tell(Ending::All(id, None));
        if removed? { Ok(()) } else { Err(Refusal::None) }
    }

    /// Ends all sessions of an account but one, and tells their connections.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_sessions(&self, id: AccountId, except: Option<MessageId>) -> Result<(), Refusal> {
        self.0.store.end_sessions(id, None, except).await?;
        self.tell(Ending::All(id, except));
        Ok(())
    }
}
