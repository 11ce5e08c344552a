//! The servers of the WebSocket cases, by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peers::{Peers, any_port};
use crate::support::Result;
use crate::support::server::{Server, on_its_cpu, target_dir};

/// The peers that are not Rust, with the file that says their versions.
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/ws/node");
/// What is in it.
const NODE_FILES: &[&str] = &["package.json", "npm-ws.mjs", "bun.mjs"];

/// What all servers share.
#[derive(Default)]
pub(crate) struct Bench {
    peers: Peers,
    /// Where the packages are installed, once they were asked for.
    node: Option<PathBuf>,
}

impl Bench {
    /// Starts the server `name`, and waits until it listens.
    pub(crate) fn start(&mut self, name: &str) -> Result<Server> {
        let mut command = on_its_cpu();
        match name {
            "npm-ws" => command.arg("node").arg(self.node()?.join("npm-ws.mjs")),
            "bun" => {
                let node = self.node()?;
                command.arg(node.join("node_modules/.bin/bun")).arg(node.join("bun.mjs"))
            }
            _ => match name.strip_prefix("wireworks") {
                Some(deflate) => {
                    let deflate = if deflate.is_empty() { "off" } else { "shared" };
                    command.args([env!("CARGO_BIN_EXE_wireworks"), "ws", "serve", "--threads", "1"]);
                    command.args(["--deflate", deflate, "--listen", &any_port()])
                }
                None => command.arg(self.peers.path()?).args([name, "--listen", &any_port()]),
            },
        };
        Server::start(command, tempfile::tempdir()?, None)
    }

    /// The directory with node's peers; npm installs them when they are not those of `package.json`.
    fn node(&mut self) -> Result<&Path> {
        if self.node.is_none() {
            self.node = Some(install()?);
        }
        Ok(self.node.as_deref().ok_or("no packages")?)
    }
}

fn install() -> Result<PathBuf> {
    let dir = target_dir()?.join("bench-ws-node");
    fs::create_dir_all(&dir)?;
    let wanted = fs::read(format!("{NODE}/package.json"))?;
    let installed = dir.join("installed.json");
    for file in NODE_FILES {
        fs::copy(format!("{NODE}/{file}"), dir.join(file))?;
    }
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(dir);
    }
    let mut npm = Command::new("npm");
    run(npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&dir))?;
    // bun's package brings its binary into place by a script, the only one that is run.
    run(Command::new("node").arg("install.js").current_dir(dir.join("node_modules/bun")))?;
    fs::write(installed, wanted)?;
    Ok(dir)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
