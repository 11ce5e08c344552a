//! A server that does to a film what servers do at their worst.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The file, as it is.
    File,
    /// Other bytes in its place.
    Instead(Vec<u8>),
    /// A status, and nothing else.
    Status(&'static str),
    /// The same request, again and again.
    Around,
    /// The half of it, and then the end of the connection.
    Half,
    /// The half of it, and then a reset.
    Reset,
    /// The half of it, and then nothing.
    Stall,
    /// Nothing at all.
    Silence,
}

/// What becomes of the `n`th request for a path, from 0 on.
type Rule = dyn Fn(&str, usize) -> Answer + Send + Sync;

/// A server. It is there until the test program ends.
pub(super) struct Liar {
    pub(super) addr: SocketAddr,
}

struct Shared {
    files: HashMap<String, Vec<u8>>,
    rule: Box<Rule>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Liar {
    /// Serves a folder by a rule.
    pub(super) fn serve(folder: &Path, rule: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut files = HashMap::new();
        read(folder, "", &mut files);
        let shared = Arc::new(Shared { files, rule: Box::new(rule), asked: Mutex::default() });
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                // A client that goes away is none of ours.
                thread::spawn(move || drop(shared.talk(client)));
            }
        });
        Self { addr }
    }
}

/// All files below a folder, by their paths.
fn read(folder: &Path, path: &str, files: &mut HashMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        let path = format!("{path}/{}", entry.file_name().unwrap().to_string_lossy());
        if entry.is_dir() {
            read(&entry, &path, files);
        } else {
            files.insert(path, fs::read(&entry).unwrap());
        }
    }
}

impl Shared {
    fn talk(&self, client: TcpStream) -> std::io::Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut reader = BufReader::new(client.try_clone()?);
        let mut client = client;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            while line.trim_end() != "" {
                line.clear();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
            }
            let nth = {
                let mut asked = self.asked.lock().unwrap();
                let count = asked.entry(path.clone()).or_default();
                *count += 1;
                *count - 1
            };
            let file = self.files.get(&path);
            let answer = match file {
                Some(_) => (self.rule)(&path, nth),
                None => (self.rule)(&path, nth).or_missing(),
            };
            let empty = Vec::new();
            let file = file.unwrap_or(&empty);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
            let half = &file[..file.len() / 2];
            match answer {
                Answer::File => client.write_all(&[head.as_bytes(), file].concat())?,
                Answer::Instead(bytes) => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
                    client.write_all(&[head.as_bytes(), &bytes].concat())?;
                }
                Answer::Status(status) => {
                    client.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
                }
                Answer::Around => {
                    let there =
                        format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n");
                    client.write_all(there.as_bytes())?;
                }
                Answer::Half => return client.write_all(&[head.as_bytes(), half].concat()),
                Answer::Reset => {
                    client.write_all(&[head.as_bytes(), half].concat())?;
                    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
                    return Ok(());
                }
                // Until the client goes.
                Answer::Stall => {
                    client.write_all(&[head.as_bytes(), half].concat())?;
                    reader.read_line(&mut line)?;
                    return Ok(());
                }
                Answer::Silence => {
                    reader.read_line(&mut line)?;
                    return Ok(());
                }
            }
        }
    }
}

impl Answer {
    fn or_missing(self) -> Self {
        match self {
            Self::File | Self::Half | Self::Reset | Self::Stall => Self::Status("404 Not Found"),
            other => other,
        }
    }
}
