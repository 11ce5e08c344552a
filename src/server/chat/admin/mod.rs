//! Administration: accounts, rooms, notices, backups and exports, by commands on the folder of a chat.
//!
//! A [`Request`] is done by whoever has the folder. If a server runs, that is the server: it listens at a Unix socket in its folder (`door`), so what is
//! changed counts at once. If none runs, the command opens the folder itself (`ask`). Both do it by the same code (`act`), so there is no
//! difference but who is told.

mod accounts;
mod act;
pub mod args;
mod ask;
pub(super) mod door;
mod export;
mod prompt;
mod request;
mod rooms;
mod run;
mod show;

pub use self::act::{Act, AdminError, RotateKeys};
pub use self::args::Orders;
pub use self::ask::{AskError, Rows, ask};
pub use self::request::{Request, Which};
pub use self::run::{CommandError, run};
