//! The clients, by name, and the command lines by which each does the same.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Process, complaint};
use crate::support::Result;
use crate::tools;

/// The client by libtorrent.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/share/peer.py");

/// What finds no peers but by a tracker, and lets each have what it asks for.
const ARIA2: &str = "--no-conf --enable-dht=false --enable-dht6=false --bt-enable-lpd=false --enable-peer-exchange=false \
--disable-ipv6=true --file-allocation=none --bt-max-peers=0 --bt-request-peer-speed-limit=0 --disk-cache=64M \
--summary-interval=0 --seed-ratio=0.0 --allow-overwrite=true";

/// Likewise, and no talk about its licence.
const QBITTORRENT: &str = "[LegalNotice]\nAccepted=true\n[BitTorrent]\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n\
Session\\PeXEnabled=false\nSession\\BTProtocol=TCP\nSession\\Encryption=2\nSession\\QueueingSystemEnabled=false\n\
Session\\GlobalMaxRatio=-1\n[Preferences]\nConnection\\UPnP=false\nWebUI\\Enabled=true\nWebUI\\Port=8080\n";

/// A program that shares files.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Client {
    Ours,
    Libtorrent,
    /// The seed is one that shows each piece to one peer (BEP 16).
    LibtorrentSuper,
    Rqbit,
    Aria2,
    Qbittorrent,
}

/// What a client is to do with a torrent.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// It has all of it.
    Seed,
    /// It fetches all of it, and ends.
    Leech,
    /// It fetches all of it, and goes on sharing.
    Stay,
    /// It looks whether all of it is right, and ends.
    Verify,
}

/// One client's part.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) role: Role,
    pub(crate) torrent: &'a Path,
    /// The folder that its content is or will be in.
    pub(crate) folder: &'a Path,
    /// Where it takes connections.
    pub(crate) addr: SocketAddr,
    /// Whom it connects to.
    pub(crate) peer: Option<SocketAddr>,
    /// Bytes a second that it sends at most.
    pub(crate) up: Option<u64>,
    /// The CPUs that it has, as `taskset` names them.
    pub(crate) cpus: &'a str,
    /// A folder for what it notes.
    pub(crate) notes: &'a Path,
}

impl Client {
    pub(crate) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "wireworks" => Self::Ours,
            "libtorrent" => Self::Libtorrent,
            "libtorrent-super" => Self::LibtorrentSuper,
            "rqbit" => Self::Rqbit,
            "aria2" => Self::Aria2,
            "qbittorrent" => Self::Qbittorrent,
            _ => return Err(format!("no client is named {name}").into()),
        })
    }

    /// Whether only a tracker tells it of others.
    pub(crate) fn needs_tracker(self) -> bool {
        self == Self::Aria2
    }

    /// Starts it.
    pub(crate) fn start(self, part: &Part<'_>) -> Result<Process> {
        let mut command = tools::on_cpus(part.cpus);
        match self {
            Self::Ours => ours(&mut command, part),
            Self::Libtorrent => libtorrent(&mut command, part, false)?,
            Self::LibtorrentSuper => libtorrent(&mut command, part, part.role == Role::Seed)?,
            Self::Rqbit => rqbit(&mut command, part)?,
            Self::Aria2 => aria2(&mut command, part)?,
            Self::Qbittorrent => qbittorrent(&mut command, part)?,
        }
        Process::start(command, part.notes.join("log"))
    }

    /// Whether it is about to do its part. What Python takes to start is not libtorrent's.
    pub(crate) fn has_begun(self, process: &Process) -> bool {
        match self {
            Self::Libtorrent | Self::LibtorrentSuper => process.said().lines().any(|line| line == "ready"),
            _ => true,
        }
    }

    /// Whether a leecher has all on its disk. Those that end then say nothing.
    pub(crate) fn is_done(self, process: &Process, part: &Part<'_>) -> Result<bool> {
        if part.role != Role::Stay && self != Self::Qbittorrent {
            return ended_well(process);
        }
        Ok(match self {
            Self::Ours => {
                let said = process.said();
                let folder = part.folder.display().to_string();
                said.lines().any(|line| line.starts_with(&folder))
            }
            Self::Libtorrent | Self::LibtorrentSuper => process.said().lines().any(|line| line == "done"),
            Self::Rqbit => return Err("rqbit does not say when it is done".into()),
            Self::Aria2 | Self::Qbittorrent => mark(part).exists(),
        })
    }
}

/// Whether a client has ended; with a complaint it is one that failed.
fn ended_well(process: &Process) -> Result<bool> {
    let Some(status) = process.ended()? else { return Ok(false) };
    // The exit status of rqbit is 0 even then.
    match process.said().lines().find(|line| line.contains("ERROR")) {
        Some(line) => Err(line.to_owned().into()),
        None if status.exit_status() == Some(0) => Ok(true),
        None => Err(format!("it failed: {}", complaint(&process.said())).into()),
    }
}

/// The file that is there when a client was done that calls a program then.
fn mark(part: &Part<'_>) -> PathBuf {
    part.notes.join("done")
}

fn ours(command: &mut Command, part: &Part<'_>) {
    command.args([env!("CARGO_BIN_EXE_wireworks"), "share"]);
    let peers = |command: &mut Command| {
        command.args(["--quiet", "--no-dht", "--transport", "tcp", "--listen", &part.addr.to_string()]);
        if let Some(peer) = part.peer {
            command.args(["--peer", &peer.to_string()]);
        }
        if let Some(up) = part.up {
            command.args(["--up", &up.to_string()]);
        }
    };
    match part.role {
        Role::Verify => {
            command.arg("verify").arg(part.torrent).arg("--data").arg(part.folder);
        }
        Role::Seed => {
            command.arg("seed").arg(part.torrent).arg("--data").arg(part.folder);
            peers(command);
        }
        Role::Leech | Role::Stay => {
            command.arg("get").arg(part.torrent).arg("--out").arg(part.folder);
            peers(command);
            if part.role == Role::Stay {
                command.arg("--stay");
            }
        }
    }
}

fn libtorrent(command: &mut Command, part: &Part<'_>, superseeds: bool) -> Result<()> {
    command.env("PYTHONPATH", tools::libtorrent()?).args(["python3", SCRIPT]);
    command.arg(match part.role {
        Role::Seed => "seed",
        Role::Leech => "leech",
        Role::Stay => "stay",
        Role::Verify => "verify",
    });
    command.arg(part.torrent).arg(part.folder).args(["--listen", &part.addr.to_string()]);
    if let Some(peer) = part.peer {
        command.args(["--peer", &peer.to_string()]);
    }
    if let Some(up) = part.up {
        command.args(["--up", &up.to_string()]);
    }
    if superseeds {
        command.arg("--super");
    }
    Ok(())
}

fn rqbit(command: &mut Command, part: &Part<'_>) -> Result<()> {
    let (ip, port) = (part.addr.ip().to_string(), part.addr.port().to_string());
    command.env("NO_COLOR", "1").arg(tools::rqbit()?);
    command.args(["-v", "info", "--disable-dht", "--disable-lsd"]);
    command.args(["--disable-upnp-port-forward", "--listen-ip", &ip, "--listen-port", &port]);
    if let Some(up) = part.up {
        command.args(["--ratelimit-upload", &up.to_string()]);
    }
    command.args(["download", "--disable-http-api", "-o"]).arg(part.folder);
    match part.role {
        Role::Seed => command.arg("--overwrite"),
        Role::Leech => command.arg("-e"),
        Role::Stay => command,
        Role::Verify => command.args(["--overwrite", "-e"]),
    };
    if let Some(peer) = part.peer {
        command.args(["--initial-peers", &peer.to_string()]);
    }
    command.arg(part.torrent);
    Ok(())
}

fn aria2(command: &mut Command, part: &Part<'_>) -> Result<()> {
    command.arg(tools::debian("aria2c", "aria2")?).args(ARIA2.split_whitespace());
    command.arg(format!("--interface={}", part.addr.ip()));
    command.arg(format!("--listen-port={}", part.addr.port()));
    command.arg(format!("--dir={}", part.folder.display()));
    if let Some(up) = part.up {
        command.arg(format!("--max-overall-upload-limit={up}"));
    }
    match part.role {
        Role::Seed => command.args(["--check-integrity=true", "--seed-time=99999"]),
        Role::Leech => command.arg("--seed-time=0"),
        Role::Stay => {
            let hook = part.notes.join("hook");
            fs::write(&hook, format!("#!/bin/sh\n: >'{}'\n", mark(part).display()))?;
            fs::set_permissions(&hook, fs::Permissions::from_mode(0o700))?;
            command.arg("--seed-time=99999").arg(format!("--on-bt-download-complete={}", hook.display()))
        }
        Role::Verify => command.args(["--check-integrity=true", "--hash-check-only=true"]),
    };
    command.arg(part.torrent);
    Ok(())
}

fn qbittorrent(command: &mut Command, part: &Part<'_>) -> Result<()> {
    let folder = part.notes.join("qBittorrent/config");
    fs::create_dir_all(&folder)?;
    let done = format!("[AutoRun]\nenabled=true\nprogram=touch \"{}\"\n", mark(part).display());
    let session = format!(
        "Session\\Port={}\nSession\\Interface=lo\nSession\\InterfaceName=lo\nSession\\InterfaceAddress={}\n",
        part.addr.port(),
        part.addr.ip()
    );
    let config = QBITTORRENT.replace("[Preferences]\n", &format!("{session}[Preferences]\n")) + &done;
    fs::write(folder.join("qBittorrent.conf"), config)?;
    command.arg(tools::debian("qbittorrent-nox", "qbittorrent-nox")?);
    command.arg(format!("--profile={}", part.notes.display()));
    command.arg(format!("--save-path={}", part.folder.display())).arg("--add-paused=false");
    if part.role == Role::Seed {
        command.arg("--skip-hash-check");
    }
    command.arg(part.torrent);
    Ok(())
}
