//! The commands `wireworks http` and `wireworks ws serve`: from what a user typed to a server that runs, and down again.
//!
//! [`Args`] is the command line. Its [`Options`] can also stand in a TOML file, under the same names. [`Config::load`] lays
//! the command line over the file over the defaults and checks every value; nothing optional is left after it but what may
//! really be absent. [`prepare`] reads the files that a configuration names and binds its sockets; [`run`] does all of it.
//! Both say what they want to a [`Server`](crate::server::http::Server), as any program does.

mod application;
mod args;
mod config;
mod rows;
mod run;

pub use self::args::{Args, Options};
pub use self::config::{
    AccessLogFormat, Config, DEFAULT_LISTEN, DEFAULT_SOCKETS, Deflate, FilesConfig, Replies, Site, Sockets,
};
pub use self::run::{CommandError, prepare, run};
pub use crate::server::credentials::{Credentials, CredentialsError, Scheme, Secret};
pub use crate::server::http::server::NAME;

#[cfg(test)]
mod tests;
