//! New accounts.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::super::store::account::{Account, Profile};
use super::config::{MAX_PASSWORD, RESERVED, Registration, SYSTEM_USERS};
use super::refusal::Weak;
use super::{Accounts, Client, Refusal};
use crate::proto::chat::name::Nick;
use crate::proto::sasl::prepare;

/// An account that somebody wants.
#[derive(Clone, Copy, Default)]
pub struct NewUser<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its password.
    pub password: &'a str,
    /// An address of mail; it may be empty.
    pub email: &'a str,
    /// An invitation code; it may be empty.
    pub invitation: &'a str,
}

/// Without the secrets.
impl std::fmt::Debug for NewUser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Makes an account for a client.
    ///
    /// # Errors
    /// [`Refusal::Closed`], [`Refusal::Invitation`], [`Refusal::Name`], [`Refusal::Reserved`], [`Refusal::Weak`], [`Refusal::Taken`], [`Refusal::Limited`] if too many were made
    /// from this address, [`Refusal::Busy`], [`Refusal::NotOffered`] without TLS if the configuration wants it, or the store's.
    pub async fn register(&self, new: NewUser<'_>, client: &Client) -> Result<Arc<Account>, Refusal> {
        if !client.secure && !self.0.config.plain_in_clear {
            return Err(Refusal::NotOffered);
        }
        match &self.0.config.registration {
            Registration::Open => {}
            Registration::Closed => return Err(Refusal::Closed),
            // A wrong code counts as a failed login of this address.
            Registration::Invited(codes) => {
                let attempt = self.0.limits.attempt(None, client.source())?;
                if !is_among(new.invitation, codes) {
                    return Err(self.failed(Refusal::Invitation));
                }
                attempt.give_back();
            }
        }
        let name: Nick = new.name.parse()?;
        if self.is_barred(&name) {
            return Err(Refusal::Reserved);
        }
        self.judge(new.password, &name)?;
        // Before a hash is computed in vain. Whether it is still free is for the store to say.
        if self.account_named(&name).await?.is_some() {
            return Err(Refusal::Taken);
        }
        self.0.limits.registration(client.source())?;
        let password = self.0.hasher.hash(new.password.to_owned()).await?;
        let profile = Profile { email: new.email.to_owned(), ..Profile::default() };
        let account = self.make(name, Some(password), profile, false).await?;
        tracing::info!(account = %account.name, "an account was registered");
        Ok(Arc::new(account))
    }

    /// Makes an account for an operator, whoever may register: no name is reserved, and nothing is limited. Without a password it is opened by certificates, or by tokens of the
    /// issuer.
    ///
    /// # Errors
    /// [`Refusal::Name`], [`Refusal::Weak`], [`Refusal::Taken`], [`Refusal::Busy`], or the store's.
    pub async fn create(
        &self,
        name: &str,
        password: Option<&str>,
        operator: bool,
    ) -> Result<Arc<Account>, Refusal> {
        let name: Nick = name.parse()?;
        let password = match password {
            Some(password) => {
                self.judge(password, &name)?;
                Some(self.0.hasher.hash(password.to_owned()).await?)
            }
            None => None,
        };
        self.make(name, password, Profile::default(), operator).await.map(Arc::new)
    }

    /// Whether clients cannot have this name, as an account or without one.
    #[must_use]
    pub fn is_reserved(&self, name: &Nick) -> bool {
        let reserved = RESERVED.iter().copied().chain(self.0.config.reserved.iter().map(String::as_str));
        reserved.into_iter().any(|reserved| reserved.eq_ignore_ascii_case(name.as_str()))
    }

    /// Whether clients cannot make an account of this name.
    pub(super) fn is_barred(&self, name: &Nick) -> bool {
        let system = SYSTEM_USERS.iter().any(|user| user.eq_ignore_ascii_case(name.as_str()));
        system || self.is_reserved(name)
    }

    /// Whether a password can be chosen.
    pub(super) fn judge(&self, password: &str, name: &Nick) -> Result<(), Weak> {
        let shortest = self.0.config.shortest_password.max(1);
        if password.len() > MAX_PASSWORD {
            return Err(Weak::Long(MAX_PASSWORD));
        }
        if password.chars().any(char::is_control) {
            return Err(Weak::Control);
        }
        if prepare(password).chars().count() < shortest {
            return Err(Weak::Short(shortest));
        }
        if password.eq_ignore_ascii_case(name.as_str()) {
            return Err(Weak::Name);
        }
        Ok(())
    }
}

/// Whether a code is one of these. The time hangs on their lengths and their number only.
fn is_among(code: &str, codes: &[String]) -> bool {
    let equal = codes.iter().map(|known| known.as_bytes().ct_eq(code.as_bytes()));
    equal.fold(subtle::Choice::from(0), |any, equal| any | equal).into()
}
