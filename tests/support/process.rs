//! A child process whose output is watched line by line, and which never outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    /// For messages.
    name: String,
    child: Child,
    /// Open as long as somebody may type.
    stdin: Option<ChildStdin>,
    events: Receiver<Event>,
    patience: Duration,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// How far `listening` has looked in `stdout`.
    seen: usize,
}

/// How a child ended, and all it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A line or the last bytes of one of the outputs.
#[derive(Debug)]
enum Event {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

impl Process {
    /// Starts `command`, with `input` to read.
    ///
    /// # Panics
    /// It cannot be started; the message names the program.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, input: Vec<u8>) -> Self {
        let mut process = Self::start_typing(command);
        let mut stdin = process.stdin.take().unwrap();
        // A child that ends early leaves its input unread, which is no fault.
        thread::spawn(move || stdin.write_all(&input));
        process
    }

    /// Starts `command`, which reads what `types` gives it, until `leaves`.
    ///
    /// # Panics
    /// It cannot be started; the message names the program.
    #[track_caller]
    pub(crate) fn start_typing(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                panic!("{name} is not installed, and this test needs it: ./scripts/test tools installs it")
            }
            Err(error) => panic!("cannot start {name}: {error}"),
        };
        let (sender, events) = channel();
        let stdin = child.stdin.take();
        watch(child.stdout.take().unwrap(), sender.clone(), Event::Stdout);
        watch(child.stderr.take().unwrap(), sender, Event::Stderr);
        Self {
            name,
            child,
            stdin,
            events,
            patience: PATIENCE,
            stdout: Vec::new(),
            stderr: Vec::new(),
            seen: 0,
        }
    }

    /// Sets how long each call may take.
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Types a line.
    #[track_caller]
    pub(crate) fn types(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("a process that is typed to");
        writeln!(stdin, "{line}").unwrap();
    }

    /// Types nothing more: the child reads the end of its input.
    pub(crate) fn leaves(&mut self) {
        self.stdin = None;
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has used so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Waits for the next line `listening NAME ADDR` of that name on stdout, and says the address as printed.
    #[track_caller]
    pub(crate) fn listening(&mut self, name: &str) -> String {
        let start = format!("listening {name} ");
        let deadline = Instant::now() + self.patience;
        loop {
            while let Some(end) = self.stdout[self.seen..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.stdout[self.seen..self.seen + end]).into_owned();
                self.seen += end + 1;
                if let Some(addr) = line.strip_prefix(&start) {
                    return addr.to_owned();
                }
            }
            let more = self.hear(deadline);
            assert!(more, "{} ended before it said {start:?}; {}", self.name, self.said());
        }
    }

    /// Waits until `text` stands in what the child wrote to stderr.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&mut self, text: &str) {
        self.wait_for(text, |process| &process.stderr);
    }

    /// Waits until the child has written a line to stderr that begins with `start`, and gives what follows there.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, start: &str) -> String {
        let line = |process: &Self| {
            let text = String::from_utf8_lossy(&process.stderr).into_owned();
            let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            lines.filter_map(|line| line.strip_prefix(start)).next().map(str::to_owned)
        };
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(rest) = line(self) {
                return rest;
            }
            assert!(self.hear(deadline), "{} ended before it said {start:?}; {}", self.name, self.said());
        }
    }

    /// Waits until `text` stands in what the child wrote to stdout.
    #[track_caller]
    pub(crate) fn wait_for_stdout(&mut self, text: &str) {
        self.wait_for(text, |process| &process.stdout);
    }

    /// Whether `text` stands in what was heard of the child's stdout so far.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.stdout).contains(text)
    }

    /// Waits until the child has written anything more.
    #[track_caller]
    pub(crate) fn wait_for_more(&mut self) {
        let more = self.hear(Instant::now() + self.patience);
        assert!(more, "{} ended; {}", self.name, self.said());
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str, written: impl Fn(&Self) -> &[u8]) {
        let deadline = Instant::now() + self.patience;
        while !String::from_utf8_lossy(written(self)).contains(text) {
            let more = self.hear(deadline);
            assert!(more, "{} ended before it said {text:?}; {}", self.name, self.said());
        }
    }

    /// Sends a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        // The child is not waited for yet, so the id is still its own.
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the child has ended, and its outputs are closed by it and by all that it started.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + self.patience;
        while self.hear(deadline) {}
        let status = self.child.wait().unwrap();
        let stdout = std::mem::take(&mut self.stdout);
        Ended { status, stdout, stderr: String::from_utf8_lossy(&self.stderr).into_owned() }
    }

    /// Takes the next output; `false` when both are closed.
    #[track_caller]
    fn hear(&mut self, deadline: Instant) -> bool {
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Stdout(bytes)) => self.stdout.extend(bytes),
            Ok(Event::Stderr(bytes)) => self.stderr.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                panic!("waited {:?} for {}; {}", self.patience, self.name, self.said())
            }
        }
        true
    }

    /// For a failed test: what the child wrote.
    fn said(&self) -> String {
        let (stdout, stderr) = (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        format!("stdout: {stdout}\nstderr: {stderr}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    /// What the child wrote to stdout, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The child must have ended with status 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert!(self.status.success(), "{}: {}\n{}", self.status, self.stderr, self.text());
        self
    }
}

/// Sends what `output` says, line by line, until it closes.
fn watch(output: impl Read + Send + 'static, sender: Sender<Event>, event: fn(Vec<u8>) -> Event) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if sender.send(event(std::mem::take(&mut line))).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]), Vec::new())
    }

    #[test]
    fn a_server_is_awaited_by_its_lines() {
        let mut child =
            shell("echo listening a 1; echo other; echo listening b 2; echo ready >&2; exec sleep 1000");
        assert!(child.id() > 0);
        child.wait_for_stderr("ready");
        assert_eq!(child.listening("a"), "1");
        assert_eq!(child.listening("b"), "2");
    }

    #[test]
    fn a_signal_arrives() {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let mut child = shell("echo listening x y; exec sleep 1000");
            child.listening("x");
            child.signal(signal);
            assert_eq!(child.wait().status.signal(), Some(signal.as_raw()));
        }
    }

    #[test]
    fn output_and_status_are_kept() {
        let mut command = Command::new("sh");
        let ended =
            Process::start(command.args(["-c", "cat; echo no >&2; exit 4"]), b"input".to_vec()).wait();
        assert_eq!((ended.text().as_str(), ended.stderr.as_str()), ("input", "no\n"));
        assert_eq!(ended.status.code(), Some(4));
        assert!(std::panic::catch_unwind(|| ended.success()).is_err());
    }

    #[test]
    fn a_child_is_typed_to_until_the_end() {
        let mut child =
            Process::start_typing(Command::new("sh").args(["-c", "read a; echo $a; cat; echo end"]));
        child.types("one");
        child.wait_for_stdout("one\n");
        child.types("two");
        child.leaves();
        assert_eq!(child.wait().success().text(), "one\ntwo\nend\n");
    }

    #[test]
    #[should_panic(expected = "sh ended before it said \"listening x \"")]
    fn a_child_that_ends_early_fails_the_test() {
        shell("echo no").listening("x");
    }

    #[test]
    #[should_panic(expected = "waited 20ms for sh")]
    fn a_silent_child_fails_the_test() {
        shell("exec sleep 1000").within(Duration::from_millis(20)).listening("x");
    }

    #[test]
    fn no_child_outlives_its_test() {
        let mut child = shell("echo listening x y; exec sleep 1000");
        child.listening("x");
        let proc = format!("/proc/{}", child.id());
        assert!(std::fs::exists(&proc).unwrap());
        drop(child);
        assert!(!std::fs::exists(&proc).unwrap());
    }
}
