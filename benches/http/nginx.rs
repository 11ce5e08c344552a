//! nginx in its best clothes: one worker, no access log, keep-alive without end.
//!
//! Four ways to send a file: by sendfile or by read and write, with or without its cache of open files.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// The configuration of the server `name`, whose files are in `root` and whose own files go to `dir`.
///
/// The name says how files are sent: `nginx[-sendfile|-read][-cache]`.
pub(crate) fn config(name: &str, addr: SocketAddr, root: &Path, dir: &Path) -> String {
    let sendfile = if name.contains("read") { "off" } else { "on" };
    let cache = name.ends_with("cache");
    let mut files = format!("sendfile {sendfile};");
    if cache {
        files +=
            " open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;";
    }
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = write!(temporary, "{kind}_temp_path {}/{kind};", dir.display());
    }
    format!(
        "worker_processes 1; user root; daemon off; pid {dir}/pid; error_log stderr;
        events {{ worker_connections 12000; }}
        http {{
            access_log off; {temporary}
            {files} tcp_nopush off; tcp_nodelay on;
            keepalive_timeout 600s; keepalive_requests 1000000000;
            types {{ application/octet-stream bin; }}
            server {{
                listen {addr} backlog=1024;
                root {root};
                location = /plaintext {{
                    default_type 'text/plain; charset=utf-8';
                    return 200 'Hello, World!';
                }}
            }}
        }}
        ",
        dir = dir.display(),
        root = root.display(),
    )
}
