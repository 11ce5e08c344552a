//! The site: what the commands `wireworks http` and `wireworks ws serve` run.
//!
//! A folder of files or the [demo application](demo), with WebSockets beside it, and every option that a user may set for them
//! ([command]).

pub mod command;
pub mod demo;
pub mod sockets;

/// What all pages look like.
const THEME: &str = include_str!("theme.css");

/// A page with what all of them share in its place: the theme, and the version.
fn page(html: &str) -> String {
    html.replace("/* theme */\n", THEME).replace("<!-- version -->", env!("CARGO_PKG_VERSION"))
}
