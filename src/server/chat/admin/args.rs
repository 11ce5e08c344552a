//! What a user may type after `wireworks chat user`, `room`, `notices`, `rotate-keys`, `backup` and `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::proto::chat::id::MessageId;
use crate::proto::chat::name::{Nick, RoomName};
use crate::server::chat::command::DEFAULT_DATA;
use crate::server::units::{ByteSize, TimeSpan};

/// The commands.
#[derive(Subcommand, Clone, Debug)]
pub enum Orders {
    /// Make, show, change and remove accounts
    User(UserArgs),
    /// Show and close rooms, and forget messages
    Room(RoomArgs),
    /// Show notices for absent members that were given up, try them again, or forget them
    Notices(NoticeArgs),
    /// Sign links to files with a new key; those that were handed out count until this is done again
    RotateKeys(RotateArgs),
    /// Write a copy of the database, while the server runs or not
    Backup(BackupArgs),
    /// Write messages as lines of JSON, or as a page
    Export(ExportArgs),
}

/// What all of them have.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The folder of the chat, whether its server runs or not
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA, global = true)]
    pub data: PathBuf,
    /// Print a line of JSON for each thing that is found, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// The options of `wireworks chat user`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "A password is asked for at the terminal, or is the first line of the input.")]
pub struct UserArgs {
    /// Which folder, and how it is printed.
    #[command(flatten)]
    pub common: Common,
    /// What to do
    #[command(subcommand)]
    pub order: UserOrder,
}

/// What can be done about accounts.
#[derive(Subcommand, Clone, Debug)]
pub enum UserOrder {
    /// Make an account, and ask for its password
    Add {
        /// Its name
        name: String,
        /// Make it an operator of the server
        #[arg(long)]
        operator: bool,
        /// Give it no password: certificates and tokens open it
        #[arg(long)]
        no_password: bool,
    },
    /// List the accounts
    List,
    /// Show what is known of an account
    Show {
        /// Its name
        name: Nick,
    },
    /// Give it another password, and log it out everywhere
    Password {
        /// Its name
        name: Nick,
    },
    /// Let nobody log in to it, and log it out everywhere
    Suspend {
        /// Its name
        name: Nick,
        /// Why; who tries to log in is told
        #[arg(long, default_value = "suspended by the operator")]
        reason: String,
    },
    /// End its suspension
    Restore {
        /// Its name
        name: Nick,
    },
    /// Make it an operator of the server, or a member
    Role {
        /// Its name
        name: Nick,
        /// Which
        role: ServerRole,
    },
    /// Take it out of its rooms, and forget it; what it has said stays
    Remove {
        /// Its name
        name: Nick,
    },
    /// List the certificates of clients that open it (SASL EXTERNAL), by their SHA-256; add one, or take one away
    Certificates {
        /// Its name
        name: Nick,
        /// The certificate in this PEM file, or of this SHA-256, opens it too
        #[arg(long, value_name = "FILE|SHA256", conflicts_with = "remove")]
        add: Option<PathBuf>,
        /// This one opens it no longer
        #[arg(long, value_name = "FILE|SHA256")]
        remove: Option<PathBuf>,
    },
    /// List the devices that are logged in, or log them out
    Sessions {
        /// Its name
        name: Nick,
        /// Log out this one
        #[arg(long, value_name = "SESSION", conflicts_with = "end_all")]
        end: Option<MessageId>,
        /// Log out all of them
        #[arg(long)]
        end_all: bool,
    },
}

/// What an account may do on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerRole {
    /// Everything
    Operator,
    /// What its rooms let it do
    Member,
}

/// The options of `wireworks chat rotate-keys`.
#[derive(Args, Clone, Debug)]
pub struct RotateArgs {
    /// Which folder, and how it is printed.
    #[command(flatten)]
    pub common: Common,
}

/// The options of `wireworks chat room`.
#[derive(Args, Clone, Debug)]
pub struct RoomArgs {
    /// Which folder, and how it is printed.
    #[command(flatten)]
    pub common: Common,
    /// What to do
    #[command(subcommand)]
    pub order: RoomOrder,
}

/// What can be done about rooms.
#[derive(Subcommand, Clone, Debug)]
pub enum RoomOrder {
    /// List the rooms that have names
    List,
    /// Show what a room is like
    Show {
        /// Its name
        room: RoomName,
    },
    /// End a room: all are put out, and the name is free
    Close {
        /// Its name
        room: RoomName,
    },
    /// Forget messages of all rooms now, once
    Retain {
        /// Those that are older than this
        #[arg(long, value_name = "TIME", required_unless_present = "size")]
        age: Option<TimeSpan>,
        /// The oldest, until no more text than this is left
        #[arg(long, value_name = "SIZE")]
        size: Option<ByteSize>,
    },
}

/// The options of `wireworks chat notices`.
#[derive(Args, Clone, Debug)]
pub struct NoticeArgs {
    /// Which folder, and how it is printed.
    #[command(flatten)]
    pub common: Common,
    /// What to do
    #[command(subcommand)]
    pub order: NoticeOrder,
}

/// What can be done about notices that were given up.
#[derive(Subcommand, Clone, Debug)]
pub enum NoticeOrder {
    /// List them
    List,
    /// Try them again
    Retry {
        /// Which
        #[command(flatten)]
        which: Chosen,
    },
    /// Forget them
    Drop {
        /// Which
        #[command(flatten)]
        which: Chosen,
    },
}

/// One of them, or all.
#[derive(Args, Clone, Copy, Debug)]
#[group(required = true, multiple = false)]
pub struct Chosen {
    /// The number of one
    pub notice: Option<u64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

/// The options of `wireworks chat backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Which folder, and how it is printed.
    #[command(flatten)]
    pub common: Common,
    /// The file to be written, which does not exist
    pub file: PathBuf,
}

/// The options of `wireworks chat export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Which folder, and how it is printed.
    #[command(flatten)]
    pub common: Common,
    /// Only this room
    #[arg(long)]
    pub room: Option<RoomName>,
    /// Direct rooms, too
    #[arg(long, conflicts_with = "room")]
    pub direct: bool,
    /// How messages are written
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub format: Format,
    /// The file to be written, which does not exist; without it they are printed
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line of JSON each, as clients are told them
    #[default]
    Jsonl,
    /// A page
    Html,
}
