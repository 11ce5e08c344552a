//! Where inputs come from: files, the standard input, and web servers, with ranges and without.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;

use super::super::origin::repeated;
use super::{ended, file, packaged, tree};
use crate::support::command::{server, stop};
use crate::support::process::{Ended, Process};
use crate::support::tool::Tool;

/// Packages what comes by the standard input.
fn piped(out: &Path, input: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["hls", "package", "-", "--quiet", "--segment", "2s", "--out"]).arg(out).args(args);
    Process::start(&mut command, std::fs::read(input).unwrap()).wait()
}

/// What is in a package, with the name of its first rendition taken away: the standard input has none.
fn contents(out: &Path) -> Vec<(String, Vec<u8>)> {
    let files = tree(out).into_iter().filter(|(path, _)| path.extension().is_some_and(|it| it != "m3u8"));
    let mut all: Vec<(String, Vec<u8>)> = files
        .map(|(path, bytes)| (path.file_name().unwrap().to_string_lossy().into_owned(), bytes))
        .collect();
    all.sort();
    all
}

#[test]
fn the_standard_input_is_packaged_as_a_file_is() {
    for name in ["240p.mp4", "360p.mp4", "ts/avc_aac.ts", "mp4/fragmented.mp4"] {
        let expected = packaged(&format!("{name} --segment 2s"));
        let dir = tempfile::tempdir().unwrap();
        let ended = piped(&dir.path().join("out"), Path::new(&file(name)), &[]);
        assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), ""), "{name}");
        assert_eq!(contents(&dir.path().join("out")), contents(&expected.path().join("out")), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let twice = piped(&dir.path().join("out"), Path::new(&file("240p.mp4")), &["-"]);
    assert_eq!(twice.status.code(), Some(64), "{}", twice.stderr);
    let empty = piped(&dir.path().join("out"), Path::new("/dev/null"), &[]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(empty.stderr.contains("none, it is empty"), "{}", empty.stderr);
}

#[test]
fn web_servers_give_ranges() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("media").display().to_string();
    let mut plain = server(&[&media]);
    let address = plain.address("http");
    for name in ["480p.mp4", "360p.mp4"] {
        let expected = packaged(&format!("{name} --segment 2s"));
        let dir = tempfile::tempdir().unwrap();
        ended(&dir.path().join("out"), &format!("http://{address}/{name} --segment 2s -q")).success();
        assert_eq!(tree(&dir.path().join("out")), tree(&expected.path().join("out")), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let missing = ended(&dir.path().join("out"), &format!("http://{address}/none.mp4"));
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        missing.stderr.contains("none.mp4") && missing.stderr.contains("does not have it"),
        "{}",
        missing.stderr
    );
    stop(plain);
    let gone = ended(&dir.path().join("out"), &format!("http://{address}/480p.mp4"));
    assert_eq!((gone.status.code(), tree(dir.path()).len()), (Some(1), 0), "{}", gone.stderr);
}

#[test]
fn web_servers_are_asked_over_tls() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("media").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ["--tls-cert", &*cert.display().to_string(), "--tls-key", &*key.display().to_string()]
        .map(str::to_owned);
    let args: Vec<&str> = tls.iter().map(String::as_str).chain([&*media]).collect();
    let mut secure = server(&args);
    let address = secure.address("http");
    let expected = packaged("240p.mp4 --segment 2s");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    let url = format!("https://localhost:{}/240p.mp4", address.port());
    command.args(["hls", "package", &url, "--quiet", "--segment", "2s", "--out"]).arg(dir.path().join("out"));
    command.env("SSL_CERT_FILE", &cert);
    Process::start(&mut command, Vec::new()).wait().success();
    assert_eq!(tree(&dir.path().join("out")), tree(&expected.path().join("out")));
    // Whom nobody vouches for is not asked.
    let doubted = ended(&dir.path().join("other"), &url);
    assert_eq!(doubted.status.code(), Some(1), "{}", doubted.stderr);
    stop(secure);
}

/// A server of one answer to whatever it is asked, of which only so many bytes are sent.
fn careless(head: &'static str, body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|size| size > 0) {
                request.push(byte[0]);
            }
            // Whoever does not read to the end has closed.
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    address
}

#[test]
fn servers_without_ranges_are_read_to_the_end() {
    let clip = std::fs::read(file("240p.mp4")).unwrap();
    let expected = packaged("240p.mp4 --segment 2s");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let whole = careless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", clip.clone());
    ended(&out, &format!("http://{whole}/240p.mp4 --segment 2s -q")).success();
    assert_eq!(tree(&out), tree(&expected.path().join("out")));
    for (head, body) in [
        // The length of the clip, and fewer bytes.
        ("HTTP/1.1 200 OK\r\nContent-Length: 342328\r\n\r\n", clip[..300_000].to_vec()),
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1048575/9999999\r\nContent-Length: 1048576\r\n\r\n",
            clip.clone(),
        ),
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n",
            clip[..5].to_vec(),
        ),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", Vec::new()),
        ("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n", Vec::new()),
        ("HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", Vec::new()),
        ("nonsense\r\n\r\n", Vec::new()),
    ] {
        let address = careless(head, body);
        let refused = ended(&out, &format!("http://{address}/240p.mp4 -q"));
        assert_eq!(refused.status.code(), Some(1), "{head}");
        assert!(refused.stderr.contains(&address.to_string()), "{head}: {}", refused.stderr);
    }
    assert_eq!(tree(&out), tree(&expected.path().join("out")), "what was there is there still");
}

/// Runs a command, and prints the peak of its memory in KiB.
const PEAK: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

#[test]
fn memory_does_not_grow_with_the_bytes_of_a_film() {
    // Beside what is held of each sample (docs/hls.md) there is nothing: of 25 MB here, with 40,000 samples.
    const MORE: u64 = 6 << 10;
    let dir = tempfile::tempdir().unwrap();
    let long = repeated("480p.mp4", 30, dir.path());
    for (name, format) in [("film.mp4", "fmp4"), ("film.ts", "ts")] {
        let [short, long] = [file("480p.mp4"), long.clone()].map(|source| {
            let film = dir.path().join(name).display().to_string();
            Tool::new("ffmpeg")
                .args(["-v", "fatal", "-y", "-i", &source, "-c", "copy", &film])
                .run()
                .success();
            let (program, out) =
                (env!("CARGO_BIN_EXE_wireworks"), dir.path().join("out").display().to_string());
            let args = [program, "hls", "package", &film, "-q", "--format", format, "--out", &out];
            let peak = Tool::python(PEAK).args(args).run().success().text();
            peak.trim().parse::<u64>().unwrap()
        });
        assert!(long < short + MORE, "{name}: {short} KiB, and {long} KiB for thirty times as much");
    }
}
