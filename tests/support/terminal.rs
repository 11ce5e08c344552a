//! A terminal that tests type into and look at: tmux's.

use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use super::PATIENCE;

/// A terminal in which a command runs.
pub(crate) struct Terminal {
    /// Where the state of users is below.
    pub(crate) folder: TempDir,
}

impl Terminal {
    /// Runs a line of the shell in a terminal of this size.
    #[track_caller]
    pub(crate) fn run(size: (u16, u16), line: &str) -> Self {
        let terminal = Self { folder: tempfile::tempdir().unwrap() };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let begin = ["-f", "/dev/null", "-u", "new-session", "-d", "-x", &columns, "-y", &rows, line];
        terminal.tmux(&begin);
        terminal
    }

    #[track_caller]
    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket")).args(args);
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("SHELL", "/bin/sh").env_remove("NO_COLOR");
        command
            .env("XDG_STATE_HOME", self.folder.path())
            .env_remove("TMUX")
            .env_remove("WIREWORKS_CHAT_PASSWORD");
        let output = command.output().expect("tmux, which ./scripts/test tools installs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a text.
    #[track_caller]
    pub(crate) fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses a key, by tmux's name.
    #[track_caller]
    pub(crate) fn presses(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// What is to be seen.
    #[track_caller]
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until all these texts are to be seen.
    #[track_caller]
    pub(crate) fn shows(&self, texts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if texts.iter().all(|text| screen.contains(text)) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{texts:?} are not to be seen:\n{screen}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command.arg("-S").arg(self.folder.path().join("socket")).arg("kill-server").output();
    }
}
