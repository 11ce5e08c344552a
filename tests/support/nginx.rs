//! An nginx of a test's own, which serves a folder as its distribution has set it up.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use super::process::Process;
use super::tool::Tool;

/// A server that runs.
pub(crate) struct Nginx {
    pub(crate) addr: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Serves a folder on a free port.
    #[track_caller]
    pub(crate) fn serve(root: &Path) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {own}/{name};\n"))
            .collect();
        // A worker keeps the rights of whoever runs the test, or could not read the folder.
        let config = format!(
            "daemon off; master_process off; pid {own}/pid; error_log stderr notice; events {{}}\n\
             http {{ include /etc/nginx/mime.types; access_log off; {temporary}\n\
             server {{ listen {addr}; root {root}; }} }}\n",
            root = root.display()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let file = file.display().to_string();
        let mut process = Tool::new(program()).args(["-e", "stderr", "-c", &file]).start();
        // It listens before it says so.
        process.wait_for_stderr("getrlimit(RLIMIT_NOFILE)");
        Self { addr, _process: process, _folder: folder }
    }
}

/// Debian has it where not everybody's `PATH` leads.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nginx";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "nginx" }
}
