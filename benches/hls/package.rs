//! Packagers, and other programs that end by themselves, one run each: CPU time when they have ended, and the most memory that they had.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::film::{Film, folder};
use crate::support::Result;
use crate::support::rounds::Sample;
use crate::support::server::on_its_cpu;

/// What is made.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Format {
    Fmp4,
    Ts,
    TsAes,
}

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ticks a second in which `/proc/PID/stat` counts, on all architectures that matter.
const TICKS: f64 = 100.0;

/// One run of a packager.
pub(crate) fn turn(name: &str, format: Format, film: &Film) -> Result<Sample> {
    let film = film.path()?;
    let out = folder().join("out");
    remove(&out)?;
    let spent = run(command(name, format, film, &out)?, Stdio::null())?;
    let gigabytes = fs::metadata(film)?.len() as f64 / 1e9;
    remove(&out)?;
    let (user, system) = (spent.user / gigabytes, spent.system / gigabytes);
    let speed = gigabytes * 1e3 / spent.wall.as_secs_f64();
    Ok(Sample { cost: user + system, sides: vec![user, system, spent.peak, speed], errors: 0 })
}

fn remove(out: &Path) -> Result<()> {
    match fs::remove_dir_all(out) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn command(name: &str, format: Format, film: &Path, out: &Path) -> Result<Command> {
    let mut command = on_its_cpu();
    match name {
        "copy" => {
            fs::create_dir_all(out)?;
            command.args(["cp", "--reflink=never"]).arg(film).arg(out.join("copy.mp4"));
        }
        "ffmpeg" => {
            fs::create_dir_all(out)?;
            command.args(["ffmpeg", "-nostdin", "-v", "error", "-i"]).arg(film);
            command.args(["-c", "copy", "-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod"]);
            if format == Format::Fmp4 {
                command.args(["-hls_segment_type", "fmp4"]);
            }
            if format == Format::TsAes {
                let (key, info) = (out.join("0.key"), out.join("info"));
                fs::write(&key, b"0123456789abcdef")?;
                fs::write(&info, format!("0.key\n{}\n", key.display()))?;
                command.arg("-hls_key_info_file").arg(info);
            }
            command.arg(out.join("index.m3u8"));
        }
        _ => {
            command.args([env!("CARGO_BIN_EXE_wireworks"), "hls", "package", "--quiet"]).arg(film);
            command.arg("--out").arg(out);
            command.args(["--sound", if name.ends_with("-apart") { "apart" } else { "muxed" }]);
            command.args(["--format", if format == Format::Fmp4 { "fmp4" } else { "ts" }]);
            if format == Format::TsAes {
                command.arg("--encrypt");
            }
        }
    }
    Ok(command)
}

/// The most memory that a process had so far: resident, pages of files among it.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no mark of memory")?;
    Ok(mark.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// What a run took.
pub(crate) struct Spent {
    /// Seconds.
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) wall: Duration,
    /// MiB.
    pub(crate) peak: f64,
}

/// Runs a command to its end, which prints to `stdout`.
pub(crate) fn run(mut command: Command, stdout: Stdio) -> Result<Spent> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(stdout).spawn()?;
    let outcome = watch(&child, begun);
    if outcome.is_err() {
        // It may have ended in the meantime.
        let _ = child.kill();
    }
    let status = child.wait()?;
    match outcome {
        Ok(_) if !status.success() => Err(format!("it failed: {status}").into()),
        outcome => outcome,
    }
}

/// Watches a process until it has ended; it is not reaped before its account was read.
fn watch(child: &Child, begun: Instant) -> Result<Spent> {
    let pid = Pid::from_child(child);
    let mut peak = 0.0;
    loop {
        let ended =
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)?;
        if ended.is_some() {
            break;
        }
        // The mark only rises; what is lost is what it rises in the last millisecond.
        if let Ok(mark) = peak_memory(child.id()) {
            peak = mark as f64 / f64::from(1 << 20);
        }
        if begun.elapsed() > PATIENCE {
            return Err("it does not end".into());
        }
        sleep(Duration::from_millis(1));
    }
    let wall = begun.elapsed();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    // Behind the name, which may have spaces.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let seconds =
        |nth: usize| -> Result<f64> { Ok(fields.get(nth).ok_or("no account")?.parse::<f64>()? / TICKS) };
    Ok(Spent { user: seconds(11)?, system: seconds(12)?, wall, peak })
}
