//! Third-party programs: clients and judges that were not written by us.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Ended, Process};

/// A program such as curl, about to be run. When it is not installed, the test fails and names it.
#[derive(Debug)]
pub(crate) struct Tool {
    command: Command,
    input: Vec<u8>,
    patience: Option<Duration>,
}

impl Tool {
    /// The program `name`, found in `PATH`.
    pub(crate) fn new(name: &str) -> Self {
        Self { command: Command::new(name), input: Vec::new(), patience: None }
    }

    /// A program that is no package of Debian, found in `target/tools`, such as `bin/websocat`.
    #[track_caller]
    pub(crate) fn installed(path: &str) -> Self {
        let path = in_tools(path);
        Self { command: Command::new(path), input: Vec::new(), patience: None }
    }

    /// A program in Python, which may import the packages in `target/tools`.
    #[track_caller]
    pub(crate) fn python(program: &str) -> Self {
        let mut tool = Self::new("python3").args(["-c", program]);
        tool.command.env("PYTHONPATH", in_tools("python"));
        tool
    }

    /// A program in JavaScript, for node, which may require the packages in `target/tools`.
    #[track_caller]
    pub(crate) fn node(program: &str) -> Self {
        let mut tool = Self::new("node").args(["-e", program]);
        tool.command.env("NODE_PATH", in_tools("node_modules"));
        tool
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Gives the program something to read.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long the program may run.
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Starts the program, to go on beside the test.
    #[track_caller]
    pub(crate) fn start(mut self) -> Process {
        let process = Process::start(&mut self.command, self.input);
        match self.patience {
            Some(patience) => process.within(patience),
            None => process,
        }
    }

    /// Starts the program with somebody at its keyboard, who has typed nothing yet.
    #[track_caller]
    pub(crate) fn start_typing(mut self) -> Process {
        let process = Process::start_typing(&mut self.command);
        match self.patience {
            Some(patience) => process.within(patience),
            None => process,
        }
    }

    /// Runs the program to its end, whatever its status is.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }
}

/// What `./scripts/test tools` has installed below the target folder of cargo.
#[track_caller]
pub(crate) fn in_tools(path: &str) -> PathBuf {
    // Cargo says where the target folder is by way of a folder in it.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools").join(path);
    assert!(
        path.exists(),
        "{} is not there, and this test needs it: ./scripts/test tools installs it",
        path.display()
    );
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_runs_to_its_end() {
        assert_eq!(Tool::new("tr").args(["a-z", "A-Z"]).input("upper").run().success().text(), "UPPER");
    }

    #[test]
    fn the_tools_of_the_tests_are_there() {
        for (tool, flag) in
            [("curl", "--version"), ("openssl", "version"), ("python3", "--version"), ("node", "--version")]
        {
            Tool::new(tool).args([flag]).run().success();
        }
    }

    #[test]
    #[should_panic(expected = "tools/bin/no-such-tool is not there")]
    fn a_missing_tool_of_ours_is_named() {
        Tool::installed("bin/no-such-tool");
    }

    #[test]
    #[should_panic(expected = "no-such-tool is not installed")]
    fn a_missing_tool_is_named() {
        Tool::new("no-such-tool").run();
    }

    #[test]
    #[should_panic(expected = "waited 20ms for sleep")]
    fn a_tool_has_a_deadline() {
        Tool::new("sleep").args(["1000"]).within(Duration::from_millis(20)).run();
    }
}
