//! A PostgreSQL of the tests' own, in a folder of its own, which never outlives them.
//!
//! The unit tests include this file, too, so of the other files here it needs `port.rs` alone, which they include as well.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The account of the system that runs it when the tests are root's: PostgreSQL refuses root.
const NOBODY: u32 = 65534;

/// Runs the program until its own input ends or says a signal. In the first case the folder goes, too: the tests have ended, in whichever way.
const WATCH: &str = r#"exec 3<&0; "$@" <&- & pid=$!; read -r signal <&3; kill "-${signal:-INT}" $pid; wait $pid; [ -n "$signal" ] || rm -rf "$FOLDER""#;

/// A server that runs.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    /// What it is told beside that.
    more: Vec<String>,
    shell: Option<Child>,
}

impl Server {
    /// Makes a database, and starts a server for it on a free port.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut server = Self::make();
        server.begin();
        server
    }

    /// The same, which lets in nobody but by TLS.
    #[track_caller]
    #[allow(dead_code, reason = "the tests of the store have other questions than those over sockets")]
    pub(crate) fn start_with_tls(cert: &Path, key: &Path) -> Self {
        let mut server = Self::make();
        std::fs::write(server.folder.join("data/pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n")
            .unwrap();
        server.more.push("ssl=on".to_owned());
        for (option, from) in [("ssl_cert_file", cert), ("ssl_key_file", key)] {
            let to = server.folder.join(option);
            // It takes no key that others can read.
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            if is_root() {
                std::os::unix::fs::chown(&to, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            server.more.push(format!("{option}={}", to.display()));
        }
        server.begin();
        server
    }

    #[track_caller]
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        if is_root() {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.join("data");
        let made = as_nobody("initdb")
            .args(["--no-sync", "--auth=trust", "--username=chat", "--locale=C", "--encoding=UTF8", "-D"])
            .arg(&data)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = super::port::free();
        Self { folder, port, more: Vec::new(), shell: None }
    }

    #[track_caller]
    fn begin(&mut self) {
        let postgres = as_nobody("postgres");
        let mut shell = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(postgres.get_program())
            .args(postgres.get_args())
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=300"])
            .args(self.more.iter().flat_map(|option| ["-c", option]))
            .env("FOLDER", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(shell.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            line.contains("ready to accept connections")
        });
        assert!(ready, "PostgreSQL has not started: {said}");
        std::thread::spawn(move || lines.for_each(drop));
        self.shell = Some(shell);
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://chat@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs statements.
    #[track_caller]
    #[allow(dead_code, reason = "the tests of the store have other questions than those over sockets")]
    pub(crate) fn sql(&self, sql: &str) -> String {
        self::sql(&self.url(), sql)
    }

    /// Ends it by a signal: `QUIT` as a crash would.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: &str) {
        let Some(mut shell) = self.shell.take() else { return };
        writeln!(shell.stdin.take().unwrap(), "{signal}").unwrap();
        shell.wait().unwrap();
    }

    /// Starts it again, where it was.
    #[track_caller]
    pub(crate) fn again(&mut self) {
        self.begin();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs statements on a database.
#[track_caller]
#[allow(dead_code, reason = "the tests of the store have other questions than those over sockets")]
pub(crate) fn sql(url: &str, sql: &str) -> String {
    let output = Command::new(program("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of PostgreSQL's, run by somebody who is not root.
fn as_nobody(name: &str) -> Command {
    if !is_root() {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
    command.args(ids).arg("--clear-groups").arg(program(name));
    command
}

/// Where Debian has it: not in `PATH`, since there may be several versions.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort_by_key(|path| version(path));
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn version(path: &Path) -> u32 {
    path.iter().find_map(|part| part.to_str()?.parse().ok()).unwrap_or_default()
}
