//! The first segment of a film that is packaged just in time.

use std::time::{Duration, Instant};

use crate::film::Film;
use crate::package::peak_memory;
use crate::support::Result;
use crate::support::rounds::Sample;
use crate::support::server::{Server, on_its_cpu};
use crate::web;

/// Starts a server, and asks for segments of the kind `format`.
pub(crate) fn turn(format: &str, film: &Film) -> Result<Sample> {
    let segments = segments(&start(film)?, format)?;
    // Another one, which has not opened the film.
    let server = start(film)?;
    let first = timed(&server, &segments[0])?;
    let next = timed(&server, &segments[1])?;
    let peak = peak_memory(server.pid())? as f64 / f64::from(1 << 20);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Sample { cost: ms(first), sides: vec![ms(next), peak], errors: 0 })
}

fn start(film: &Film) -> Result<Server> {
    let mut command = on_its_cpu();
    command.args([
        env!("CARGO_BIN_EXE_wireworks"),
        "hls",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--threads",
        "1",
    ]);
    command.arg(format!("film={}", film.path()?.display()));
    Server::start(command, tempfile::tempdir()?, None)
}

/// The paths of the first two segments.
fn segments(server: &Server, format: &str) -> Result<[String; 2]> {
    let master = format!("/film/{format}/master.m3u8");
    let media = web::first_uri(&master, &web::playlist(server.addr, &master)?)?;
    let text = web::playlist(server.addr, &media)?;
    let mut uris = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut next = || uris.next().map(|uri| web::beside(&media, uri)).ok_or("there are no two segments");
    Ok([next()?, next()?])
}

fn timed(server: &Server, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    let answer = web::get(server.addr, path)?;
    let took = begun.elapsed();
    if answer.status != 200 || answer.body.len() < 1 << 20 {
        return Err(format!("{path}: status {}, {} bytes", answer.status, answer.body.len()).into());
    }
    Ok(took)
}
