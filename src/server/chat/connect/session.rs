//! The connection: a socket that logs in, and is sought again when it is lost.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::net::resilience::backoff::{Backoff, Growth, Jitter, Policy};
use crate::server::ws::client::{Connect, OpenError};
use crate::server::ws::{CloseCode, Event, Message, Socket, SocketError};

/// How long a login may take, with all that was missed before its answer.
const LOGIN: Duration = Duration::from_secs(60);

/// How long somebody may say nothing until it is asked whether he is there.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes of a page, or of what was missed, that are kept until the login is answered.
const MAX_MISSED: usize = 32 << 20;

/// Who the user is.
#[derive(Clone)]
pub(super) enum Credentials {
    /// Nobody in particular.
    Guest(String),
    /// An account, by its password.
    Password { account: String, password: String },
    /// A new account.
    Register { account: String, password: String },
    /// An account, by what it got when it logged in.
    Token(String),
}

/// Why nobody is in.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    /// There is no connection.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was lost.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// It was closed.
    #[error("the server closed the connection")]
    Closed,
    /// Nothing came.
    #[error("the login was not answered in time")]
    Slow,
    /// The server says no.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// More than this client keeps.
    #[error("the server sent too much before the login was answered")]
    TooMuch,
}

impl LoginError {
    /// Whether another attempt may succeed with the same credentials.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Refused { code, .. } => {
                matches!(
                    code.as_str(),
                    "busy" | "store_away" | "slow_down" | "too_many_attempts" | "name_taken"
                )
            }
            Self::Socket(_) | Self::Closed | Self::Slow => true,
            Self::TooMuch => false,
        }
    }

    /// Whether the token is no good any longer.
    pub(super) fn is_stale_token(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(code.as_str(), "token_over" | "token_invalid"))
    }
}

/// A login that was answered.
pub(super) struct Entered {
    pub(super) socket: Socket,
    /// What was told before the answer: the greeting, and what was missed.
    pub(super) before: Vec<Value>,
    pub(super) reply: Value,
}

/// Logs in.
pub(super) async fn enter(
    connect: &Connect,
    credentials: &Credentials,
    resume: Map<String, Value>,
) -> Result<Entered, LoginError> {
    let (mut socket, _) = connect.connect().await?;
    let mut request = match credentials {
        Credentials::Guest(name) => json!({"t": "guest", "name": name}),
        Credentials::Password { account, password } => {
            json!({"t": "login", "account": account, "password": password, "device": "wireworks chat connect"})
        }
        Credentials::Register { account, password } => {
            json!({"t": "register", "account": account, "password": password, "device": "wireworks chat connect"})
        }
        Credentials::Token(token) => json!({"t": "token", "token": token}),
    };
    if matches!(credentials, Credentials::Token(_)) && !resume.is_empty() {
        request["resume"] = resume.into();
    }
    request["id"] = 1.into();
    socket.feed(request.to_string())?;
    let answer = async {
        let mut before = Vec::new();
        let mut bytes = 0;
        loop {
            let Some(message) = socket.recv().await? else { return Err(LoginError::Closed) };
            let Some(text) = message.as_text() else { continue };
            bytes += text.len();
            if bytes > MAX_MISSED {
                return Err(LoginError::TooMuch);
            }
            let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
            if value["re"] == 1 {
                return Ok((before, value));
            }
            before.push(value);
        }
    };
    let (before, reply) = timeout(LOGIN, answer).await.map_err(|_| LoginError::Slow)??;
    if reply["t"] == "ok" {
        return Ok(Entered { socket, before, reply });
    }
    let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
    Err(LoginError::Refused { code: text("code"), message: text("message") })
}

/// What comes of a connection.
pub(super) enum News {
    /// The server said something.
    Said(Value),
    /// The connection is lost, for this reason.
    Lost(String),
    /// A guest does not get the other name, for this reason, and keeps the one it had.
    Kept(String),
    /// It is back: what was missed, and the answer to the login.
    Back(Vec<Value>, Value),
    /// It will not come back.
    Over(LoginError),
}

/// A connection that is sought again.
pub(super) struct Session {
    connect: Connect,
    credentials: Credentials,
    /// Those that it had, while others are tried.
    before: Option<Credentials>,
    socket: Option<Socket>,
    /// When the next attempt is made, and it once it was begun.
    due: Instant,
    attempt: Option<JoinHandle<Result<Entered, LoginError>>>,
    backoff: Backoff,
    /// Something has to be asked from time to time.
    heard: Instant,
}

impl Session {
    /// A connection that stands.
    pub(super) fn new(connect: Connect, credentials: Credentials, socket: Socket) -> Self {
        let policy = Policy {
            growth: Growth::Exponential { first: Duration::from_millis(300), jitter: Jitter::Equal },
            cap: Duration::from_secs(15),
        };
        Self {
            connect,
            credentials,
            before: None,
            socket: Some(socket),
            due: Instant::now(),
            attempt: None,
            backoff: Backoff::new(policy, fastrand::u64(..)),
            heard: Instant::now(),
        }
    }

    /// Sends a request, if there is somebody to send it to. It leaves with the next [`news`](Self::news).
    pub(super) fn send(&mut self, request: &Value) {
        if let Some(socket) = &mut self.socket {
            // A socket that takes nothing more says so by its next turn.
            let _ = socket.feed(request.to_string());
        }
    }

    /// Gives the connection up, and makes it again with other credentials: at once.
    pub(super) fn renew(&mut self, credentials: Credentials) {
        let before = std::mem::replace(&mut self.credentials, credentials);
        self.before.get_or_insert(before);
        self.socket = None;
        self.attempt = None;
        self.due = Instant::now();
    }

    /// The next thing that happens. `resume` is what to go on from if the connection is made again. Cancel-safe.
    pub(super) async fn news(&mut self, resume: impl Fn() -> Map<String, Value>) -> News {
        loop {
            if let Some(socket) = &mut self.socket {
                let event = tokio::select! {
                    event = socket.turn() => event,
                    () = sleep_until(self.heard + SILENCE) => {
                        // What does not come through is noticed by the socket.
                        self.heard = Instant::now();
                        let _ = socket.ping("alive".into());
                        continue;
                    }
                };
                self.heard = Instant::now();
                let lost = match event {
                    Ok(Event::Message(Message::Text(text))) => match serde_json::from_str(&text) {
                        Ok(value) => return News::Said(value),
                        Err(_) => continue,
                    },
                    Ok(Event::Closed(reason)) => {
                        reason.map_or("closed".into(), |reason| match reason.reason() {
                            "" => format!("closed with {}", reason.code()),
                            words => format!("closed with {}: {words}", reason.code()),
                        })
                    }
                    Ok(_) => continue,
                    Err(error) => error.to_string(),
                };
                self.socket = None;
                self.due = Instant::now() + self.backoff.wait();
                return News::Lost(lost);
            }
            let attempt = match &mut self.attempt {
                Some(attempt) => attempt,
                None => {
                    sleep_until(self.due).await;
                    let (connect, credentials) = (self.connect.clone(), self.credentials.clone());
                    let resume = resume();
                    self.attempt
                        .insert(tokio::spawn(async move { enter(&connect, &credentials, resume).await }))
                }
            };
            let outcome = attempt.await;
            self.attempt = None;
            match outcome {
                Ok(Ok(Entered { socket, before, reply })) => {
                    self.socket = Some(socket);
                    self.heard = Instant::now();
                    self.backoff.reset();
                    self.before = None;
                    return News::Back(before, reply);
                }
                Ok(Err(error @ LoginError::Refused { .. })) if self.before.is_some() => {
                    self.credentials = self.before.take().unwrap_or_else(|| self.credentials.clone());
                    self.due = Instant::now();
                    return News::Kept(error.to_string());
                }
                Ok(Err(error)) if !error.may_pass() => return News::Over(error),
                Ok(Err(_)) | Err(_) => self.due = Instant::now() + self.backoff.wait(),
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
        }
        if let Some(mut socket) = self.socket.take() {
            let _ = timeout(Duration::from_secs(2), socket.close(CloseCode::NORMAL)).await;
        }
    }
}
