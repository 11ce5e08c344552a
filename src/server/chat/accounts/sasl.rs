//! Logging in by SASL, message by message, the same for each door.

use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;

use super::super::store::account::{Account, Scram};
use super::limits::Attempt;
use super::{Accounts, Client, Refusal};
use crate::net::random;
use crate::proto::sasl::external::External;
use crate::proto::sasl::plain::Plain;
use crate::proto::sasl::scram::{ClientFirst, Keys, Pending};
use crate::proto::sasl::{Mechanism, Reject};

/// Bytes of chance in a nonce, as RFC 5802 leaves them to us: 24 characters. PostgreSQL has as many.
const NONCE: usize = 18;

/// What comes next in an exchange.
#[derive(Clone, Debug)]
pub enum Step {
    /// The client has to be sent this, and to answer it; an empty answer counts as one.
    Challenge(Vec<u8>),
    /// The client is logged in.
    Done(Arc<Account>),
}

/// One attempt to log in by SASL. An error ends it.
#[derive(Debug)]
pub struct Exchange {
    accounts: Accounts,
    client: Client,
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was said.
    Begun,
    /// A proof is due.
    Challenged(Box<Challenged>),
    /// The client has to see that we know it, too.
    Proved(Arc<Account>),
    /// It is over.
    Over,
}

#[derive(Debug)]
struct Challenged {
    pending: Pending,
    account: Option<Account>,
    attempt: Attempt,
}

impl Accounts {
    /// The mechanisms for a client, the strongest first. One that does not know a password in this way is not offered, nor is PLAIN where somebody may listen, if the
    /// configuration says so.
    #[must_use]
    pub fn mechanisms(&self, client: &Client) -> Vec<Mechanism> {
        Mechanism::ALL.into_iter().filter(|mechanism| self.offers(*mechanism, client)).collect()
    }

    fn offers(&self, mechanism: Mechanism, client: &Client) -> bool {
        let config = &self.0.config;
        match mechanism {
            Mechanism::Plain => client.secure || config.plain_in_clear,
            Mechanism::External => client.certificate.is_some(),
            Mechanism::ScramSha256 => config.hashing.scram.is_some(),
            Mechanism::ScramSha256Plus => config.hashing.scram.is_some() && client.exporter.is_some(),
        }
    }

    /// Begins an exchange. The first message of the client is the first [step](Exchange::step); a client that sends none with its choice is sent an empty challenge for it.
    ///
    /// # Errors
    /// [`Refusal::NotOffered`].
    pub fn exchange(&self, mechanism: Mechanism, client: Client) -> Result<Exchange, Refusal> {
        if !self.offers(mechanism, &client) {
            return Err(Refusal::NotOffered);
        }
        Ok(Exchange { accounts: self.clone(), client, mechanism, state: State::Begun })
    }
}

impl Exchange {
    /// Takes the next message of the client.
    ///
    /// # Errors
    /// [`Refusal::Sasl`] if it makes no sense, and as for [`Accounts::log_in`]. The exchange is over then.
    pub async fn step(&mut self, message: &[u8]) -> Result<Step, Refusal> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begun => match self.mechanism {
                Mechanism::Plain => self.plain(message).await.map(Step::Done),
                Mechanism::External => {
                    let External { authzid } = External::parse(message)?;
                    let account = self.accounts.log_in_by_certificate(authzid.as_deref(), &self.client);
                    account.await.map(Step::Done)
                }
                Mechanism::ScramSha256 => self.scram(message, false).await,
                Mechanism::ScramSha256Plus => self.scram(message, true).await,
            },
            State::Challenged(challenged) => {
                let Challenged { pending, account, attempt } = *challenged;
                let (account, last) = match (pending.finish(message), account) {
                    (Ok(last), Some(account)) => (account, last),
                    (Ok(_), None) | (Err(Reject::Proof), _) => {
                        return Err(self.accounts.failed(Refusal::Credentials));
                    }
                    (Err(reject), _) => return Err(reject.into()),
                };
                let account = self.accounts.let_in(Arc::new(account), attempt)?;
                self.state = State::Proved(account);
                Ok(Step::Challenge(last.into_bytes()))
            }
            State::Proved(account) if message.is_empty() => Ok(Step::Done(account)),
            State::Proved(_) | State::Over => Err(Reject::Malformed("the exchange is over").into()),
        }
    }

    async fn plain(&self, message: &[u8]) -> Result<Arc<Account>, Refusal> {
        let Plain { authzid, name, password } = Plain::parse(message)?;
        is_own(authzid.as_deref(), &name)?;
        self.accounts.log_in(&name, &password, &self.client).await
    }

    async fn scram(&mut self, message: &[u8], plus: bool) -> Result<Step, Refusal> {
        let accounts = &self.accounts;
        let first = ClientFirst::parse(message, plus, self.client.exporter.as_deref())?;
        is_own(first.authzid.as_deref(), &first.name)?;
        let attempt = accounts.0.limits.attempt(Some(&first.name), self.client.source())?;
        let (attempt, account) = attempt.unless(accounts.stored(&first.name).await)?;
        let iterations = accounts.0.config.hashing.scram.ok_or(Refusal::NotOffered)?;
        // Computed for every name, so that those that need them take no longer.
        let fake = Keys::fake(&accounts.0.decoys, &first.name, iterations);
        let kept = account.as_ref().and_then(|account| account.password.as_ref()?.scram.as_ref());
        let keys = kept.and_then(keys).unwrap_or(fake);
        let nonce = BASE64.encode(random::bytes::<NONCE>()?);
        let (challenge, pending) = first.challenge(keys, &nonce);
        self.state = State::Challenged(Box::new(Challenged { pending, account, attempt }));
        Ok(Step::Challenge(challenge.into_bytes()))
    }
}

/// Nobody acts as another here.
fn is_own(authzid: Option<&str>, name: &str) -> Result<(), Refusal> {
    let own = authzid.is_none_or(|authzid| authzid.eq_ignore_ascii_case(name));
    if own { Ok(()) } else { Err(Refusal::Credentials) }
}

fn keys(kept: &Scram) -> Option<Keys> {
    Some(Keys {
        salt: kept.salt.clone(),
        iterations: NonZeroU32::new(kept.iterations)?,
        stored_key: kept.stored_key,
        server_key: kept.server_key,
    })
}
