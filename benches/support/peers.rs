//! The binary of `benches/peers`, whose servers ours are measured against.

use std::env;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Result;
use crate::support::server::target_dir;

/// An address of which a server makes one with a free port.
pub(crate) fn any_port() -> String {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()
}

/// The binary of `benches/peers`, once it was asked for.
#[derive(Default)]
pub(crate) struct Peers(Option<PathBuf>);

impl Peers {
    /// The path of the binary, which cargo builds when it is not fresh.
    pub(crate) fn path(&mut self) -> Result<&Path> {
        if self.0.is_none() {
            self.0 = Some(build_peers()?);
        }
        Ok(self.0.as_deref().ok_or("no peers")?)
    }
}

fn build_peers() -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["bench", "--bench", "peers", "--no-run", "--message-format=json", "--target-dir"])
        .arg(target_dir()?);
    // What cargo told this binary about its package would look to build scripts like a change.
    let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    let is_told = |name: &OsString| told.iter().any(|t| name.as_encoded_bytes().starts_with(t.as_bytes()));
    for name in env::vars_os().map(|(name, _)| name).filter(is_told) {
        cargo.env_remove(name);
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8(output.stdout)?;
    Ok(messages.lines().find_map(executable).ok_or("cargo built no peers")?)
}

/// The path of the peers' binary, when `message` is the one that tells it.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let ours = message["target"]["name"] == "peers";
    message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
}
