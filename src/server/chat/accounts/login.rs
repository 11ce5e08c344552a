//! Logging in by a password, by a certificate, and by the token of another issuer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use subtle::ConstantTimeEq as _;

use super::super::store::account::{Account, AccountChange, NewAccount, Password, Profile};
use super::config::MAX_PASSWORD;
use super::hasher::Checked;
use super::issuer::Issuer;
use super::limits::Attempt;
use super::{Accounts, Client, Refusal};
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;

impl Accounts {
    /// Logs in by a name and a password. If the password is kept in an older form than new ones are, it is kept in the new form from now on.
    ///
    /// # Errors
    /// [`Refusal::Credentials`], after the same time whether there is such an account or not; [`Refusal::Limited`], [`Refusal::Busy`],
    /// [`Refusal::Suspended`], [`Refusal::NotOffered`] without TLS if the configuration wants it, or the store's.
    pub async fn log_in(&self, name: &str, password: &str, client: &Client) -> Result<Arc<Account>, Refusal> {
        if !client.secure && !self.0.config.plain_in_clear {
            return Err(Refusal::NotOffered);
        }
        let attempt = self.0.limits.attempt(Some(name), client.source())?;
        let (attempt, account) = attempt.unless(self.stored(name).await)?;
        let kept = account.as_ref().and_then(|account| account.password.clone());
        let kept = kept.filter(|_| password.len() <= MAX_PASSWORD);
        let checked = self.0.hasher.check(password.to_owned(), kept.clone()).await;
        let (attempt, checked) = attempt.unless(checked)?;
        match (account, checked) {
            (Some(account), Checked::Right(renewed)) => {
                if let (Some(renewed), Some(kept)) = (renewed, kept) {
                    self.renew(&account, &kept, renewed).await;
                }
                self.let_in(Arc::new(account), attempt)
            }
            _ => Err(self.failed(Refusal::Credentials)),
        }
    }

    /// Compares a password that is no account's (the server's, or its operator's) with the one that is known. It takes as long for one as for another of the
    /// same length, and counts as an attempt from the client's address.
    ///
    /// # Errors
    /// [`Refusal::Credentials`], or [`Refusal::Limited`].
    pub fn check_shared(&self, known: &str, said: &str, client: &Client) -> Result<(), Refusal> {
        let attempt = self.0.limits.attempt(None, client.source())?;
        if known.as_bytes().ct_eq(said.as_bytes()).into() {
            attempt.give_back();
            Ok(())
        } else {
            Err(self.failed(Refusal::Credentials))
        }
    }

    /// Whether one of two accounts does not hear the other.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn are_apart(&self, one: AccountId, other: AccountId) -> Result<bool, Refusal> {
        for (one, other) in [(one, other), (other, one)] {
            if let Some(account) = self.account(one).await?
                && account.profile.blocked.contains(&other)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The account of a name as the store has it: not from the cache, which only accounts that exist can be in.
    pub(super) async fn stored(&self, name: &str) -> Result<Option<Account>, Refusal> {
        match name.parse::<Nick>() {
            Ok(name) => Ok(self.0.store.account(name).await?),
            Err(_) => Ok(None),
        }
    }

    /// Checks the password of somebody who is logged in already, before something that needs it.
    ///
    /// # Errors
    /// As for [`log_in`](Self::log_in); [`Refusal::OtherWay`] if the account has no password.
    pub async fn confirm(&self, account: &Account, password: &str, client: &Client) -> Result<(), Refusal> {
        if account.password.is_none() {
            return Err(Refusal::OtherWay);
        }
        self.log_in(account.name.as_str(), password, client).await.map(drop)
    }

    /// Logs in by a client certificate. With `name` it has to be a certificate of that account.
    ///
    /// # Errors
    /// [`Refusal::Credentials`], [`Refusal::NotOffered`] without a certificate, and as for [`log_in`](Self::log_in).
    pub async fn log_in_by_certificate(
        &self,
        name: Option<&str>,
        client: &Client,
    ) -> Result<Arc<Account>, Refusal> {
        let certificate = *client.certificate.as_deref().ok_or(Refusal::NotOffered)?;
        let attempt = self.0.limits.attempt(name, client.source())?;
        let (attempt, account) = attempt.unless(self.0.store.account_of_certificate(certificate).await)?;
        let is_meant =
            |account: &Account| name.is_none_or(|name| account.name.as_str().eq_ignore_ascii_case(name));
        match account.filter(is_meant) {
            Some(account) => self.let_in(Arc::new(account), attempt),
            None => Err(self.failed(Refusal::Credentials)),
        }
    }

    /// Logs in by a JSON Web Token. Its account is made if it is not there and the configuration says so. An account that has a password is not opened in this way: its owner may be
    /// somebody else than the issuer means.
    ///
    /// # Errors
    /// [`Refusal::NotOffered`] without an issuer, [`Refusal::Jwt`], [`Refusal::Nobody`] if the claim is no name or nobody of this name is known, [`Refusal::Reserved`],
    /// [`Refusal::OtherWay`] for an account with a password, [`Refusal::Limited`], [`Refusal::Suspended`], or the store's.
    pub async fn log_in_by_jwt(&self, token: &str, client: &Client) -> Result<Arc<Account>, Refusal> {
        let issuer = self.0.issuer.as_ref().ok_or(Refusal::NotOffered)?;
        let attempt = self.0.limits.attempt(None, client.source())?;
        let name = issuer.name(token).await.map_err(|refusal| self.failed(refusal))?;
        let (attempt, account) = attempt.unless(self.of_issuer(issuer, name).await)?;
        let account = account.ok_or_else(|| self.failed(Refusal::Nobody))?;
        if account.password.is_some() {
            return Err(self.failed(Refusal::OtherWay));
        }
        self.let_in(Arc::new(account), attempt)
    }

    /// The account of a name that the issuer has vouched for.
    async fn of_issuer(&self, issuer: &Issuer, name: Nick) -> Result<Option<Account>, Refusal> {
        let known = self.0.store.account(name.clone()).await?;
        if known.is_some() || !issuer.creates() {
            return Ok(known);
        }
        if self.is_barred(&name) {
            return Err(Refusal::Reserved);
        }
        match self.make(name.clone(), None, Profile::default(), false).await {
            // Another connection was faster.
            Err(Refusal::Taken) => Ok(self.0.store.account(name).await?),
            made => made.map(Some),
        }
    }

    /// Opens an account to one who has shown that it is theirs, unless it is suspended.
    pub(super) fn let_in(&self, account: Arc<Account>, attempt: Attempt) -> Result<Arc<Account>, Refusal> {
        attempt.give_back();
        if let Some((_, reason)) = &account.suspended {
            return Err(Refusal::Suspended(reason.clone()));
        }
        self.0.logins.fetch_add(1, Ordering::Relaxed);
        Ok(account)
    }

    pub(super) fn failed(&self, refusal: Refusal) -> Refusal {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        refusal
    }

    /// Makes an account with a number that nobody has.
    pub(super) async fn make(
        &self,
        name: Nick,
        password: Option<Password>,
        profile: Profile,
        operator: bool,
    ) -> Result<Account, Refusal> {
        /// Numbers of accounts are exact in JSON: RFC 8259, section 6. Among a million accounts a new number is taken already with a chance of 10^-10.
        const LARGEST: u64 = (1 << 53) - 1;
        let number = u64::from_le_bytes(crate::net::random::bytes()?) & LARGEST;
        let id = AccountId(number.max(1));
        let account = NewAccount { id, name, password, profile, operator, created: self.now() };
        Ok(self.0.store.create_account(account).await?)
    }

    /// Keeps a password in its new form, unless it has changed since it was read. A failure harms nobody: the old form is kept until the next login.
    async fn renew(&self, account: &Account, read: &Password, renewed: Password) {
        let _one_at_a_time = self.0.changing.lock().await;
        let renewal = async {
            let now = self.0.store.account(account.name.clone()).await?;
            if now.is_some_and(|now| now.id == account.id && now.password.as_ref() == Some(read)) {
                self.0.store.change_account(account.id, AccountChange::Password(Some(renewed))).await?;
                self.0.cache.forget(account.id);
            }
            Ok::<(), Refusal>(())
        };
        if let Err(error) = renewal.await {
            tracing::warn!(account = %account.name, %error, "a password is still kept in an old form");
        }
    }
}
