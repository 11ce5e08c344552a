//! The servers, by name, each with all its limits off.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use tempfile::TempDir;

use crate::door::Door;
use crate::support::Result;
use crate::support::server::{Server, on_its_cpu, target_dir};

/// The peers that are not Rust, with the file that says their versions.
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/chat/node");
/// What is in it.
const NODE_FILES: &[&str] = &["package.json", "npm-ws.mjs", "bun.mjs"];

/// What all servers share.
#[derive(Default)]
pub(crate) struct Bench {
    /// Where the packages are installed, once they were asked for.
    node: Option<PathBuf>,
    /// A folder with a long history, once it was asked for.
    history: Option<TempDir>,
}

/// A server that listens.
pub(crate) struct Running {
    server: Server,
    /// Where its clients connect.
    pub(crate) addr: SocketAddr,
    /// How they speak.
    pub(crate) door: Door,
    /// Where it tells what it counts.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }
}

impl Bench {
    /// Starts the server `name` with nothing in it, and waits until it listens.
    pub(crate) fn start(&mut self, name: &str) -> Result<Running> {
        let dir = folder()?;
        match name {
            "wireworks" | "wireworks-irc" => {
                let data = dir.path().join("data");
                self.ours(name, dir, &data)
            }
            "inspircd" => {
                peer("inspircd", &["--nofork", "--runasroot", "--nopid", "--config"], dir, inspircd)
            }
            "ngircd" => peer("ngircd", &["--nodaemon", "--config"], dir, ngircd),
            _ => self.web(name, dir),
        }
    }

    /// The folder that `fill` makes when it is asked for first.
    pub(crate) fn history(&mut self, fill: impl FnOnce() -> Result<TempDir>) -> Result<PathBuf> {
        let folder = match self.history.take() {
            Some(folder) => folder,
            None => fill()?,
        };
        Ok(self.history.insert(folder).path().to_owned())
    }

    /// Starts ours over what is in `data`: this build, or the one that the variable `WIREWORKS` names.
    pub(crate) fn ours(&self, name: &str, dir: TempDir, data: &Path) -> Result<Running> {
        let [http, irc, metrics] = [free_port()?, free_port()?, free_port()?];
        let mut command = on_its_cpu();
        let binary = env::var_os("WIREWORKS").unwrap_or_else(|| env!("CARGO_BIN_EXE_wireworks").into());
        command.arg(binary).args(["chat", "serve", "--threads", "1", "--no-limits"]);
        command.args(["--listen", &http.to_string(), "--irc", &irc.to_string()]);
        command.args(["--metrics", &metrics.to_string(), "--data"]).arg(data);
        let (addr, door) = if name == "wireworks" { (http, Door::Json) } else { (irc, Door::Irc) };
        let server = Server::start(command, dir, Some(addr))?;
        Ok(Running { server, addr, door, metrics: Some(metrics) })
    }

    /// Starts one that speaks WebSocket.
    fn web(&mut self, name: &str, dir: TempDir) -> Result<Running> {
        let node = self.node()?;
        let mut command = on_its_cpu();
        match name {
            "npm-ws" => command.arg("node").arg(node.join("npm-ws.mjs")),
            _ => command.arg(node.join("node_modules/.bin/bun")).arg(node.join("bun.mjs")).arg(name),
        };
        let server = Server::start(command, dir, None)?;
        Ok(Running { addr: server.addr, server, door: Door::Topic, metrics: None })
    }

    /// The directory with node's peers; npm installs them when they are not those of `package.json`.
    fn node(&mut self) -> Result<&Path> {
        if self.node.is_none() {
            self.node = Some(install()?);
        }
        Ok(self.node.as_deref().ok_or("no packages")?)
    }
}

/// A folder on the disk to which cargo builds: one in memory keeps nothing.
pub(crate) fn folder() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// Starts a program with a configuration file, whose path is its last argument.
fn peer(
    program: &str,
    args: &[&str],
    dir: TempDir,
    config: fn(SocketAddr, &Path) -> String,
) -> Result<Running> {
    let addr = free_port()?;
    let file = dir.path().join("config");
    fs::write(&file, config(addr, dir.path()))?;
    let mut command = on_its_cpu();
    // Where Debian keeps servers.
    command.arg(Path::new("/usr/sbin").join(program)).args(args).arg(&file);
    let server = Server::start(command, dir, Some(addr)).map_err(|error| format!("{program}: {error}"))?;
    Ok(Running { server, addr, door: Door::Irc, metrics: None })
}

fn inspircd(addr: SocketAddr, dir: &Path) -> String {
    format!(
        r#"<server name="irc.bench.local" description="bench" network="bench" id="001">
<admin name="bench" nick="bench" email="bench@localhost">
<bind address="{}" port="{}" type="clients">
<connect allow="*" timeout="600" pingfreq="3600" hardsendq="64M" softsendq="64M" recvq="1M" threshold="1000000"
 commandrate="100000000" fakelag="off" localmax="100000" globalmax="100000" maxchans="100" limit="100000"
 resolvehostnames="no" usednsbl="no">
<performance softlimit="100000" somaxconn="1024" netbuffersize="65534" quietbursts="yes">
<options defaultmodes="n">
<limits maxnick="30" maxchan="64" maxline="512">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="error" target="{}/inspircd.log">
"#,
        addr.ip(),
        addr.port(),
        dir.display()
    )
}

fn ngircd(addr: SocketAddr, _: &Path) -> String {
    format!(
        "[Global]\nName = irc.bench.local\nAdminInfo1 = bench\nInfo = bench\nListen = {}\nPorts = {}\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxNickLength = 30\nMaxPenaltyTime = 0\nPingTimeout = 3600\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n",
        addr.ip(),
        addr.port()
    )
}

/// An address that nobody listens on now, for programs that cannot say which one they have got.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn install() -> Result<PathBuf> {
    let dir = target_dir()?.join("bench-chat-node");
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
