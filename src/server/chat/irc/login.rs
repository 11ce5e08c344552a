//! Accounts: AUTHENTICATE (IRCv3 sasl-3.2), PASS, REGISTER and VERIFY (IRCv3 account-registration), and NickServ for people.

use std::sync::Arc;

use super::client::Client;
use crate::proto::chat::name::Nick;
use crate::proto::irc::authenticate::{self, Incoming};
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric;
use crate::proto::irc::write::Line;
use crate::proto::sasl::Mechanism;
use crate::server::chat::accounts::{NewUser, Refusal, Step};
use crate::server::chat::store::account::Account;

/// The service that people talk to.
pub(super) const NICKSERV: &str = "NickServ";

impl Client {
    /// The mechanisms that are offered to this client, as the capability `sasl` lists them.
    pub(super) fn mechanisms(&self) -> String {
        let names: Vec<&str> =
            self.door.accounts.mechanisms(&self.about).into_iter().map(Mechanism::name).collect();
        names.join(",")
    }

    pub(super) async fn authenticate(&mut self, message: &Message<'_>) {
        let param = message.param(0).unwrap_or_default();
        if param == "*" {
            self.exchange = None;
            self.incoming = Incoming::default();
            return self.reply(numeric::ERR_SASLABORTED, &[]);
        }
        if self.exchange.is_none() {
            return self.begin_sasl(param);
        }
        let said = match self.incoming.push(param) {
            Ok(Some(said)) => said,
            Ok(None) => return,
            Err(authenticate::Fault::TooLong) => {
                self.exchange = None;
                return self.reply(numeric::ERR_SASLTOOLONG, &[]);
            }
            Err(authenticate::Fault::Base64) => {
                self.exchange = None;
                return self.reply(numeric::ERR_SASLFAIL, &[]);
            }
        };
        let Some(mut exchange) = self.exchange.take() else { return };
        match exchange.step(&said).await {
            Ok(Step::Challenge(challenge)) => {
                self.exchange = Some(exchange);
                for line in authenticate::outgoing(&challenge) {
                    self.replies.push(Line::new("", "AUTHENTICATE").param(&line));
                }
            }
            Ok(Step::Done(account)) => {
                self.logged_in(account, true).await;
            }
            Err(refusal) => {
                let text = sentence(&refusal);
                self.reply_text(numeric::ERR_SASLFAIL, &[], &format!("SASL authentication failed: {text}"));
            }
        }
    }

    fn begin_sasl(&mut self, name: &str) {
        let known = name.parse::<Mechanism>().ok();
        let begun =
            known.and_then(|mechanism| self.door.accounts.exchange(mechanism, self.about.clone()).ok());
        match begun {
            Some(exchange) => {
                self.exchange = Some(Box::new(exchange));
                self.replies.push(Line::new("", "AUTHENTICATE").param("+"));
            }
            None => {
                let mechanisms = self.mechanisms();
                self.reply(numeric::RPL_SASLMECHS, &[&mechanisms]);
                self.reply(numeric::ERR_SASLFAIL, &[]);
            }
        }
    }

    /// The client has shown that an account is its own: it is told so before those are told who see it, and it among them.
    async fn logged_in(&mut self, account: Arc<Account>, sasl: bool) {
        let mask = match &self.user {
            Some(user) => super::dialect::mask(&user.face()),
            None => format!(
                "{}!{}@*",
                self.called(),
                self.coming.as_ref().and_then(|coming| coming.user_name.as_deref()).unwrap_or("*")
            ),
        };
        let name = account.name.clone();
        let text = format!("You are now logged in as {name}");
        self.reply_text(numeric::RPL_LOGGEDIN, &[&mask, name.as_str()], &text);
        if sasl {
            self.reply(numeric::RPL_SASLSUCCESS, &[]);
        }
        self.account = Some(Arc::clone(&account));
        let Some(user) = self.user.clone() else { return };
        if !self.collecting {
            self.settle(None).await;
        }
        let known = Some((account.id, name));
        self.door.house.set_account(&user, known, account.operator).await;
    }

    /// Logs in by `PASS`: `account:password`, or the password of the account that is called like the nick.
    pub(super) async fn log_in_by_pass(&mut self, nick: &Nick, password: &str) -> bool {
        let (name, password) = match password.split_once(':') {
            Some((name, rest)) if name.parse::<Nick>().is_ok() => (name, rest),
            _ => (nick.as_str(), password),
        };
        match self.door.accounts.log_in(name, password, &self.about).await {
            Ok(account) => {
                self.account = Some(account);
                true
            }
            Err(_) => false,
        }
    }

    pub(super) async fn register(&mut self, message: &Message<'_>) {
        let (name, email, password) = (message.params()[0], message.params()[1], message.params()[2]);
        if self.account.is_some() {
            let own = self.account.as_ref().map(|account| account.name.to_string()).unwrap_or_default();
            return self.fail("REGISTER", "ALREADY_AUTHENTICATED", &[&own], "You are logged in already");
        }
        let called = self.called();
        let name = if name == "*" { called.as_str() } else { name };
        if name == "*" {
            return self.fail("REGISTER", "NEED_NICK", &["*"], "Say NICK before, or name the account");
        }
        if self.is_anothers(name) && !self.is_account(name).await {
            return self.fail("REGISTER", "USERNAME_EXISTS", &[name], "Somebody else is called so");
        }
        let email = if email == "*" { "" } else { email };
        match self.new_account(name, email, password).await {
            Ok(account) => {
                let line =
                    Line::new(self.door.name(), "REGISTER").param("SUCCESS").param(account.name.as_str());
                self.replies.push(line.last("Account created"));
                self.logged_in(account, false).await;
            }
            Err(refusal) => {
                let code = match &refusal {
                    Refusal::Taken => "ACCOUNT_EXISTS",
                    Refusal::Name(_) | Refusal::Reserved => "BAD_ACCOUNT_NAME",
                    Refusal::Weak(_) => "WEAK_PASSWORD",
                    Refusal::Closed | Refusal::Invitation | Refusal::NotOffered => "DISALLOWED",
                    Refusal::Limited(_) => "RATE_LIMITED",
                    _ => "TEMPORARILY_UNAVAILABLE",
                };
                self.fail("REGISTER", code, &[name], &sentence(&refusal));
            }
        }
    }

    /// Whether somebody else is here under this name: it is nobody's account, or that one's alone. Who has not come in yet has no name.
    fn is_anothers(&self, name: &str) -> bool {
        let user = self.user.as_ref().map(|user| user.id());
        self.door.house.user(name).is_some_and(|other| Some(other.id()) != user)
    }

    /// Whether there is an account of this name.
    async fn is_account(&self, name: &str) -> bool {
        let Ok(name) = name.parse::<Nick>() else { return false };
        self.door.accounts.account_named(&name).await.is_ok_and(|found| found.is_some())
    }

    /// Somebody who has the nick now is the only one who can take it for an account.
    async fn new_account(&self, name: &str, email: &str, password: &str) -> Result<Arc<Account>, Refusal> {
        if self.is_anothers(name) {
            return Err(Refusal::Taken);
        }
        let new = NewUser { name, password, email, invitation: "" };
        self.door.accounts.register(new, &self.about).await
    }

    pub(super) fn verify(&mut self, message: &Message<'_>) {
        let name = message.params()[0];
        self.fail("VERIFY", "INVALID_CODE", &[name], "No account needs to be verified here");
    }

    /// What somebody has said to NickServ.
    pub(super) async fn nickserv(&mut self, text: &str) {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let verb = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match (verb.as_str(), &words[..]) {
            ("REGISTER", [_, password, email @ ..]) => {
                if self.account.is_some() {
                    return self.notice("You are logged in already.");
                }
                let name = self.called();
                let email = email.first().copied().unwrap_or_default();
                match self.new_account(&name, email, password).await {
                    Ok(account) => {
                        self.notice("Account created");
                        self.logged_in(account, false).await;
                        self.notice(&format!("You're now logged in as {name}."));
                    }
                    Err(refusal) => self.notice(&format!("Not registered: {}.", sentence(&refusal))),
                }
            }
            ("SAREGISTER", [_, name, password])
                if self.user.as_ref().is_some_and(|user| user.face().operator) =>
            {
                match self.door.accounts.create(name, Some(*password), false).await {
                    Ok(account) => self.notice(&format!("Account created: {}", account.name)),
                    Err(refusal) => self.notice(&format!("Not registered: {}.", sentence(&refusal))),
                }
            }
            ("CERT", [_, words @ ..]) => self.cert(words).await,
            ("IDENTIFY", [_, password]) => {
                let name = self.called();
                self.identify(&name, password).await;
            }
            ("IDENTIFY", [_, name, password]) => self.identify(name, password).await,
            _ => {
                for line in [
                    "REGISTER password [email]: makes an account of your nick.",
                    "IDENTIFY [account] password: logs you in.",
                    "CERT: which certificates log you in by SASL EXTERNAL; CERT ADD, CERT DEL.",
                    "Clients that know SASL log in by themselves.",
                ] {
                    self.notice(line);
                }
            }
        }
    }

    async fn identify(&mut self, name: &str, password: &str) {
        match self.door.accounts.log_in(name, password, &self.about).await {
            Ok(account) => {
                let name = account.name.clone();
                self.logged_in(account, false).await;
                self.notice(&format!("You're now logged in as {name}."));
            }
            Err(refusal) => self.notice(&format!("Not logged in: {}.", sentence(&refusal))),
        }
    }

    pub(super) fn notice(&mut self, text: &str) {
        let source = format!("{NICKSERV}!{NICKSERV}@{}", self.door.name());
        let line = Line::new(&source, "NOTICE").param(&self.called()).last(text);
        self.replies.push(line);
    }
}

/// Why, without what concerns the operator only.
pub(super) fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Store(_) | Refusal::Random(_) => "accounts are away, try again soon".to_owned(),
        other => other.to_string(),
    }
}
