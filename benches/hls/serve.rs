//! Segments of 1 MiB of a packaged folder, by our server of files and by our origin.

use std::fs;

use crate::support::rounds::Sample;
use crate::support::server::{Server, on_its_cpu};
use crate::support::{Result, procfs};
use crate::wrk::Wrk;

/// Bytes of a segment.
const SEGMENT: usize = 1 << 20;

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n00001.ts\n#EXT-X-ENDLIST\n";

/// Loads the server `name` by wrk.
pub(crate) fn turn(name: &str, seconds: u64) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("master.m3u8"), PLAYLIST)?;
    fs::write(folder.path().join("00001.ts"), (0..SEGMENT).map(|at| (at % 251) as u8).collect::<Vec<u8>>())?;
    let mut command = on_its_cpu();
    command.arg(env!("CARGO_BIN_EXE_wireworks"));
    let path = match name {
        "http" => {
            command.arg("http").arg(folder.path());
            "/00001.ts"
        }
        _ => {
            command.args(["hls", "serve"]).arg(format!("tree={}", folder.path().display()));
            "/tree/00001.ts"
        }
    };
    command.args(["--threads", "1", "--listen", "127.0.0.1:0"]);
    let server = Server::start(command, tempfile::tempdir()?, None)?;
    let load = Wrk::plain(server.addr, path);
    load.run(1)?;
    let (report, spent) = procfs::account(server.pid(), || load.run(seconds))?;
    if report.requests == 0 {
        return Err("no request was answered".into());
    }
    let cost = spent.as_secs_f64() * 1e6 / report.requests as f64;
    let speed = report.rate * SEGMENT as f64 / 1e6;
    Ok(Sample { cost, sides: vec![speed], errors: report.errors })
}
