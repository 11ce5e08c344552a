//! The player as a load: many viewers of a film or of a live stream in one process, beside the origin that they watch.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::film::{ffmpeg, folder};
use crate::package::run;
use crate::support::rounds::Sample;
use crate::support::server::{Server, on_its_cpu};
use crate::support::{Result, procfs};

/// How often the sample of 16 s is in the film: nobody is to have all of it in the buffer before the turn is over.
const TIMES: u64 = 32;
/// How long everybody watches at least, seconds: viewers begin by filling their buffers.
const LEAST: u64 = 60;

/// One turn of so many viewers of `what`: the `film`, or the `live` stream.
pub(crate) fn turn(what: &str, viewers: usize, seconds: u64) -> Result<Sample> {
    let (server, path) = match what {
        "film" => (serve(|command| Ok(command.arg("serve").arg(packaged()?)))?, "/packaged/master.m3u8"),
        _ => (serve(|command| Ok(command.args(["live", "--demo"])))?, "/live/demo/index.m3u8"),
    };
    let out = folder().join("players.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["hls", "play"]).arg(format!("http://{}{path}", server.addr));
    command.args(["--json", "--viewers", &viewers.to_string()]);
    command.args(["--for", &format!("{}s", seconds.max(LEAST))]);
    let report = File::create(&out)?;
    let (spent, served) = procfs::account(server.pid(), || run(command, report.into()))?;
    let report: Value = serde_json::from_slice(&fs::read(&out)?)?;
    let figure = |name: &str| report[name].as_f64().ok_or_else(|| format!("no {name} in {report}"));
    let wall = spent.wall.as_secs_f64();
    let sides = vec![
        served.as_secs_f64() / wall * 100.0,
        figure("requests")? / wall,
        figure("bytes")? * 8.0 / wall / 1e6,
        figure("stalls")?,
        spent.peak,
    ];
    let errors = report["failed"].as_u64().ok_or("no count of those who left")?;
    Ok(Sample { cost: (spent.user + spent.system) / wall * 100.0, sides, errors })
}

fn serve(what: impl FnOnce(&mut Command) -> Result<&mut Command>) -> Result<Server> {
    let mut command = on_its_cpu();
    command.args([env!("CARGO_BIN_EXE_wireworks"), "hls"]);
    what(&mut command)?.args(["--listen", "127.0.0.1:0", "--threads", "1"]);
    Server::start(command, tempfile::tempdir()?, None)
}

/// The film: three renditions in segments of 2 s, made when they are first needed.
fn packaged() -> Result<PathBuf> {
    let folder = folder();
    let out = folder.join("packaged");
    if out.is_dir() {
        return Ok(out);
    }
    fs::create_dir_all(&folder)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["hls", "package", "--quiet", "--segment", "2s", "--out"]).arg(&out);
    for name in ["240p.mp4", "360p.mp4", "480p.mp4"] {
        let (sample, long) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(name), folder.join(name));
        ffmpeg(|command| {
            command.args(["-stream_loop", &(TIMES - 1).to_string(), "-i"]).arg(sample);
            command.args(["-c", "copy"]).arg(&long)
        })?;
        command.arg(long);
    }
    let status = command.status()?;
    if status.success() { Ok(out) } else { Err(format!("hls package: {status}").into()) }
}
