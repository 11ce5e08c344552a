//! One turn of one server in one case: both ends started, both accounted for.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::cases::Case;
use crate::load::{Counted, What};
use crate::support::rounds::Sample;
use crate::support::server::{Server, on_its_cpu};
use crate::support::{Result, procfs};

/// How long a server may take to settle after the last of many connections came.
const SETTLE: Duration = Duration::from_secs(2);

/// Starts the server called `name` and a client of it, and measures both.
pub(crate) fn take(case: &Case, name: &str, seconds: u64) -> Result<Sample> {
    let dir = tempfile::tempdir()?;
    let keys = case.tls.then(|| certify(&dir)).transpose()?;
    let mut command = on_its_cpu();
    command.arg(env::current_exe()?).args(["serve", name]);
    let server = Server::start(end(command, case, keys.as_deref()), dir, None)?;

    let mut command = Command::new(env::current_exe()?);
    command.args(["load", name, &server.addr.to_string(), "--what", &word(case.what)]);
    command.args(["--size", &case.size.to_string(), "--depth", &case.depth.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    let mut client = Client::start(end(command, case, keys.as_deref()))?;
    let ready = client.line()?;
    if ready != "ready" {
        return Err(format!("the client said {ready:?}").into());
    }
    let before = procfs::private_memory(server.pid())?;
    let client_pid = client.child.id();
    let ((counted, on_client), on_server) = procfs::account(server.pid(), || {
        procfs::account(client_pid, || {
            client.go_on()?;
            let counted: Counted = serde_json::from_str(&client.line()?)?;
            Ok(counted)
        })
    })?;
    let Counted { calls, seconds, p50, p99, errors } = counted;
    if case.what == What::Idle {
        sleep(SETTLE);
        let grown = procfs::private_memory(server.pid())?.saturating_sub(before);
        return Ok(Sample { cost: grown as f64 / calls as f64, sides: Vec::new(), errors });
    }
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / calls as f64;
    let sides = vec![each(on_client), calls as f64 / seconds, p50, p99];
    Ok(Sample { cost: each(on_server), sides, errors })
}

fn end(mut command: Command, case: &Case, keys: Option<&Path>) -> Command {
    command.args(["--runtime", &word(case.runtime)]);
    if let Some(keys) = keys {
        command.arg("--tls").arg(keys);
    }
    command
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Makes a certificate for localhost.
fn certify(dir: &TempDir) -> Result<std::path::PathBuf> {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(dir.path().join("cert.pem"), cert.pem())?;
    std::fs::write(dir.path().join("key.pem"), signing_key.serialize_pem())?;
    Ok(dir.path().to_owned())
}

/// The process whose calls are counted; killed when dropped.
struct Client {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Client {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout) })
    }

    /// The next line that it prints.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line)? {
            0 => Err("the client ended".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Lets it go on.
    fn go_on(&mut self) -> Result<()> {
        Ok(self.child.stdin.as_mut().ok_or("no standard input")?.write_all(b"\n")?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It has said all that was asked of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
