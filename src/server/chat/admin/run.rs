//! From what was typed to what is printed.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::args::{Common, ExportArgs, Format, NoticeOrder, Orders, RoomOrder, ServerRole, UserOrder};
use super::ask::{AskError, Rows, absolute, ask};
use super::export::Page;
use super::prompt::{self, PromptError};
use super::request::{Request, Which};
use super::show::{Lines, Shape, Shown, shape};
use crate::net::tls::{self, TlsError};
use crate::proto::chat::id::Millis;
use crate::server::hex;

/// Why a command has failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It was not done.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// There is no password.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// There is no such certificate.
    #[error(transparent)]
    Certificate(#[from] TlsError),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was found cannot be printed.
    #[error("cannot print what was found")]
    Print(#[source] io::Error),
    /// The system gives no runtime.
    #[error("cannot begin")]
    Begin(#[source] io::Error),
}

/// Runs a command.
///
/// # Errors
/// Why it has failed.
pub fn run(orders: &Orders) -> Result<(), CommandError> {
    let (common, request) = match orders {
        Orders::User(args) => (&args.common, user(&args.order)?),
        Orders::Room(args) => (&args.common, room(&args.order)),
        Orders::Notices(args) => (&args.common, notices(&args.order)),
        Orders::Backup(args) => {
            let failed = |source| CommandError::File { path: args.file.clone(), source };
            (&args.common, Request::Backup { file: absolute(&args.file).map_err(failed)? })
        }
        Orders::RotateKeys(args) => (&args.common, Request::RotateKeys),
        Orders::Export(args) => return export(args),
    };
    print(common, request)
}

fn user(order: &UserOrder) -> Result<Request, CommandError> {
    Ok(match order.clone() {
        UserOrder::Add { name, operator, no_password } => {
            let password = if no_password { None } else { Some(prompt::password(&name)?) };
            Request::UserAdd { name, password, operator }
        }
        UserOrder::List => Request::UserList,
        UserOrder::Show { name } => Request::UserShow { name },
        UserOrder::Password { name } => {
            let password = prompt::password(name.as_str())?;
            Request::UserPassword { name, password }
        }
        UserOrder::Suspend { name, reason } => Request::UserSuspend { name, reason },
        UserOrder::Restore { name } => Request::UserRestore { name },
        UserOrder::Role { name, role } => Request::UserRole { name, operator: role == ServerRole::Operator },
        UserOrder::Remove { name } => Request::UserRemove { name },
        UserOrder::Certificates { name, add: Some(added), .. } => {
            Request::CertificateAdd { name, sha256: fingerprint(&added)? }
        }
        UserOrder::Certificates { name, remove: Some(removed), .. } => {
            Request::CertificateRemove { name, sha256: fingerprint(&removed)? }
        }
        UserOrder::Certificates { name, .. } => Request::CertificateList { name },
        UserOrder::Sessions { name, end: Some(session), .. } => {
            Request::SessionEnd { name, which: Which::One(session) }
        }
        UserOrder::Sessions { name, end_all: true, .. } => Request::SessionEnd { name, which: Which::All },
        UserOrder::Sessions { name, .. } => Request::SessionList { name },
    })
}

/// The SHA-256 of a certificate: as it was typed, colons and capitals as other programs print it, or of what is in that file.
fn fingerprint(typed: &Path) -> Result<String, TlsError> {
    let text = typed.to_string_lossy().replace(':', "").to_ascii_lowercase();
    if hex::decode::<32>(&text).is_some() {
        return Ok(text);
    }
    tls::fingerprint(typed).map(|sha256| hex::encode(&sha256))
}

fn room(order: &RoomOrder) -> Request {
    match order.clone() {
        RoomOrder::List => Request::RoomList,
        RoomOrder::Show { room } => Request::RoomShow { room },
        RoomOrder::Close { room } => Request::RoomClose { room },
        RoomOrder::Retain { age, size } => {
            let millis = |age: std::time::Duration| Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX);
            Request::Retain { age: age.map(|age| millis(age.0)), bytes: size.map(|size| size.0) }
        }
    }
}

fn notices(order: &NoticeOrder) -> Request {
    let which = |notice: Option<u64>| notice.map_or(Which::All, Which::One);
    match order {
        NoticeOrder::List => Request::NoticeList,
        NoticeOrder::Retry { which: chosen } => Request::NoticeRetry { which: which(chosen.notice) },
        NoticeOrder::Drop { which: chosen } => Request::NoticeDrop { which: which(chosen.notice) },
    }
}

/// Has it done, and prints the answer.
fn print(common: &Common, request: Request) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let shape = shape(&request);
    let sentence = if common.json {
        asked(&common.data, request, &mut Lines(&mut out))?
    } else {
        let mut shown = Shown::new(shape);
        let sentence = asked(&common.data, request, &mut shown)?;
        shown.write(&mut out).map_err(CommandError::Print)?;
        sentence
    };
    if shape == Shape::None {
        let line = if common.json { serde_json::json!({ "done": sentence }).to_string() } else { sentence };
        writeln!(out, "{line}").map_err(CommandError::Print)?;
    }
    out.flush().map_err(CommandError::Print)
}

fn export(args: &ExportArgs) -> Result<(), CommandError> {
    let request = Request::Export { room: args.room.clone(), direct: args.direct };
    let Some(path) = &args.out else {
        let out = BufWriter::new(io::stdout().lock());
        return write(args, request, out, CommandError::Print);
    };
    let failed = |source| CommandError::File { path: path.clone(), source };
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let written = write(args, request, BufWriter::new(file), failed);
    if written.is_err() {
        // The error is the news; half an export is of no use.
        let _ = std::fs::remove_file(path);
    }
    written
}

fn write(
    args: &ExportArgs,
    request: Request,
    mut out: impl Write,
    failed: impl Fn(io::Error) -> CommandError,
) -> Result<(), CommandError> {
    let data = &args.common.data;
    match args.format {
        Format::Jsonl => {
            asked(data, request, &mut Lines(&mut out))?;
            out.flush().map_err(failed)
        }
        Format::Html => {
            let mut page = Page::begin(out).map_err(&failed)?;
            asked(data, request, &mut page)?;
            page.end().and_then(|mut out| out.flush()).map_err(failed)
        }
    }
}

fn asked(data: &Path, request: Request, rows: &mut impl Rows) -> Result<String, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(CommandError::Begin)?;
    Ok(runtime.block_on(ask(data, request, rows))?)
}
