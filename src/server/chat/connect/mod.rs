//! The command `wireworks chat connect`: a client of the JSON door in a terminal.
//!
//! `model` is all that the client knows and does, without a terminal and a socket; `view` draws it; `session` is the connection, which is made again when it is
//! lost; `tui` and `plain` join them, on a whole screen or line by line. The login is made before the screen is taken, so that a password is asked
//! for, and a refusal told, as by any other command.

mod editor;
mod model;
mod password;
mod plain;
mod room;
mod session;
mod text;
mod token;
mod tui;
mod view;
mod zone;

use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime};

use self::model::Model;
use self::session::{Credentials, Entered, LoginError, Session, enter};
use self::token::Tokens;
use self::view::Look;
use self::zone::Zone;
use super::client::{Door, Remote, RemoteError};
use crate::server::load::signals::Signals;
use crate::server::ws::client::Connect;

/// The variable of the environment with the password.
const PASSWORD: &str = "WIREWORKS_CHAT_PASSWORD";

/// What a user may type after `wireworks chat connect`.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// The account to log in to; its password is asked for, or is the first line of the input, or stands in WIREWORKS_CHAT_PASSWORD
    #[arg(long, short = 'u', value_name = "NAME", help_heading = "Who")]
    pub user: Option<String>,

    /// Make the account first
    #[arg(long, requires = "user", help_heading = "Who")]
    pub register: bool,

    /// The name to come in under without an account; by default one that is made up
    #[arg(long, short = 'g', value_name = "NAME", conflicts_with = "user", help_heading = "Who")]
    pub guest: Option<String>,

    /// Do not keep what makes the next login one without a password
    #[arg(long, help_heading = "Who")]
    pub forget: bool,

    /// A room to enter; repeatable
    #[arg(long, short = 'r', value_name = "ROOM", help_heading = "Screen")]
    pub room: Vec<String>,

    /// Line by line, also on a terminal: for scripts and screen readers
    #[arg(long, help_heading = "Screen")]
    pub plain: bool,
}

/// Why there was no conversation, or how it ended otherwise than well.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The command line, or a file of certificates.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The door of IRC is for IRC clients.
    #[error("the URL cannot be used: for irc:// there are IRC clients; this one takes ws:// and wss://")]
    Irc,
    /// Nobody is in.
    #[error(transparent)]
    Login(Box<dyn std::error::Error + Send + Sync>),
    /// There is no password.
    #[error("there is no password: nobody can be asked, and the input has none")]
    NoPassword,
    /// Answers are missing at the end of the input.
    #[error("the server has not answered everything")]
    Unanswered,
    /// The terminal, or a file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<LoginError> for ConnectError {
    fn from(error: LoginError) -> Self {
        Self::Login(Box::new(error))
    }
}

impl ConnectError {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Remote(error) if error.is_usage() => 64,
            Self::Irc => 64,
            _ => 1,
        }
    }
}

/// Connects, and talks until the end.
///
/// # Errors
/// Why there was no conversation, or how it ended otherwise than well.
pub fn run(args: &Args) -> Result<(), ConnectError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(talk(args));
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn talk(args: &Args) -> Result<(), ConnectError> {
    let Door::Json(connect) = args.remote.door()? else { return Err(ConnectError::Irc) };
    let has_screen = !args.plain && io::stdout().is_terminal() && io::stdin().is_terminal();
    let (entered, credentials) = log_in(args, &connect).await?;
    let mut signals = Signals::hear()?;
    let tag = format!("{:08x}", fastrand::u32(..));
    let mut model = Model::new(tag, millis());
    if !has_screen {
        model = model.with_feed();
    }
    let Entered { socket, before, reply } = entered;
    before.iter().for_each(|value| model.hear(value));
    model.come_in(&reply);
    greet(&mut model, args);
    let mut session = Session::new(*connect, credentials, socket);
    let zone = Zone::of_this_system();
    let outcome = if has_screen {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        tui::run(&mut model, &mut session, &Look { colours, zone }, &mut signals).await
    } else {
        plain::run(&mut model, &mut session, &zone, &mut signals).await
    };
    session.close().await;
    outcome
}

/// The first words, and the first rooms.
fn greet(model: &mut Model, args: &Args) {
    let words = format!("You are {} on {}. /help explains the commands, /quit ends", model.me, model.server);
    model.note(&words);
    let wanted = args.room.iter().map(|room| format!("/join {room}"));
    wanted.for_each(|line| model.line(&line));
    if args.room.is_empty() && model.rooms.len() > 1 {
        model.turn_to(1);
    } else if args.room.is_empty() {
        model.line("/rooms");
    }
}

/// Logs in, in the way that was asked for.
async fn log_in(args: &Args, connect: &Connect) -> Result<(Entered, Credentials), ConnectError> {
    let Some(account) = &args.user else {
        let name = args.guest.clone().unwrap_or_else(|| format!("guest{:05}", fastrand::u32(..100_000)));
        let credentials = Credentials::Guest(name);
        let entered = enter(connect, &credentials, serde_json::Map::new()).await?;
        return Ok((entered, credentials));
    };
    let tokens = Tokens::of_this_user();
    let url = connect.url().to_string();
    if let Some(token) = tokens.token(&url, account).filter(|_| !args.register) {
        let credentials = Credentials::Token(token);
        match enter(connect, &credentials, serde_json::Map::new()).await {
            Err(error) if error.is_stale_token() => tokens.keep(&url, account, None)?,
            entered => return Ok((entered?, credentials)),
        }
    }
    let account = account.clone();
    let password = match std::env::var(PASSWORD) {
        Ok(password) => password,
        Err(_) => password::ask(&account)?.ok_or(ConnectError::NoPassword)?,
    };
    let credentials = if args.register {
        Credentials::Register { account: account.clone(), password }
    } else {
        Credentials::Password { account: account.clone(), password }
    };
    let entered = enter(connect, &credentials, serde_json::Map::new()).await?;
    let Some(token) = entered.reply["token"].as_str() else { return Ok((entered, credentials)) };
    if !args.forget {
        tokens.keep(&url, &account, Some(token))?;
    }
    let token = token.to_owned();
    Ok((entered, Credentials::Token(token)))
}

/// The time, in ms since 1970.
fn millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
