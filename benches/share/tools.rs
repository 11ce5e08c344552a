//! Where the peers are that are no packages of Debian: below the target folder of cargo, where the tools of the tests are, too.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Result;

/// rqbit, without its page, which npm would have to build.
pub(crate) fn rqbit() -> Result<PathBuf> {
    installed(
        "bin/rqbit",
        "cargo install rqbit --version 9.1.0 --locked --no-default-features --features rust-tls --root",
    )
}

/// The folder that Python has libtorrent in.
pub(crate) fn libtorrent() -> Result<PathBuf> {
    installed("python/libtorrent", "python3 -m pip install libtorrent==2.1.1 --target")?;
    Ok(folder().join("python"))
}

/// A program of Debian, which also has some where not everybody looks.
pub(crate) fn debian(program: &str, package: &str) -> Result<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    let found = all.map(|folder| folder.join(program)).find(|path| path.is_file());
    Ok(found.ok_or_else(|| format!("{program} is not there: apt-get install {package}"))?)
}

fn folder() -> PathBuf {
    // Cargo says where the target folder is by way of a folder in it.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools")
}

fn installed(path: &str, how: &str) -> Result<PathBuf> {
    let found = folder().join(path);
    if found.exists() {
        return Ok(found);
    }
    let to = if path.starts_with("python") { folder().join("python") } else { folder() };
    Err(format!("{} is not there: {how} {}", found.display(), to.display()).into())
}

/// A command that runs on these CPUs, and is killed when the bench is: what to run is its next argument.
pub(crate) fn on_cpus(cpus: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "-c", cpus]);
    command
}
