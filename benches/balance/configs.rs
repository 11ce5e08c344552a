//! Each proxy in its best clothes: one thread, connections to the backend kept, no log unless the case asks for one.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::servers::{Mode, Setup};

/// A proxy that is to be configured.
pub(crate) struct Proxy<'a> {
    /// What stands behind the program's name: `splice`, `features`, or a number of backends.
    pub(crate) variant: &'a str,
    pub(crate) setup: &'a Setup,
    pub(crate) addr: SocketAddr,
    pub(crate) backend: SocketAddr,
    /// Where the certificate is.
    pub(crate) files: &'a Path,
    /// Where the proxy may write.
    pub(crate) dir: &'a Path,
}

impl Proxy<'_> {
    fn has_features(&self) -> bool {
        self.variant == "features"
    }

    /// `lb.toml`.
    pub(crate) fn wireworks(&self) -> String {
        let Self { addr, files, dir, .. } = self;
        let (files, dir) = (files.display(), dir.display());
        let mode = if self.setup.mode == Mode::Http { "http" } else { "tcp" };
        let mut text = format!(
            "[process]\nthreads = 1\n[upstream.web]\nbackends = [{}]\n[[listener]]\nlisten = \"{addr}\"\nmode = \"{mode}\"\nto = \"web\"\n",
            self.backends()
        );
        if self.setup.tls {
            let _ = writeln!(
                text,
                "tls = {{ certificates = [{{ cert = \"{files}/cert.pem\", key = \"{files}/key.pem\" }}] }}"
            );
        }
        if self.has_features() {
            let _ = write!(
                text,
                "access-log = {{ path = \"{dir}/access.log\", format = \"json\" }}\n\
                 [[listener.route]]\nhost = [\"127.0.0.1\", \"localhost\", \"*.example.com\"]\npath = \"/pages/*\"\nto = \"web\"\nstrip-prefix = \"/pages\"\n\
                 request-headers = {{ set = {{ x-a = \"$client\", x-b = \"b\" }}, remove = [\"x-c\"] }}\n\
                 response-headers = {{ set = {{ x-d = \"d\" }} }}\n\
                 limits = {{ requests = {{ rate = \"1000000/s\", burst = 1000000, by = \"client\" }} }}\n"
            );
        }
        text
    }

    /// The backend under as many addresses as the variant asks for: it listens on all of the loopback network.
    fn backends(&self) -> String {
        let count: u32 = self.variant.parse().unwrap_or(1);
        let address = |nth: u32| Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + nth);
        let port = self.backend.port();
        let all: Vec<_> = (0..count).map(|nth| format!("\"{}:{port}\"", address(nth))).collect();
        all.join(", ")
    }

    /// `haproxy.cfg`.
    pub(crate) fn haproxy(&self) -> String {
        let Self { addr, backend, files, .. } = self;
        let mode = if self.setup.mode == Mode::Http { "http" } else { "tcp" };
        let tls = if self.setup.tls {
            format!("ssl crt {}/both.pem no-tls-tickets", files.display())
        } else {
            String::new()
        };
        let splice =
            if self.variant == "splice" { "option splice-response\n option splice-request" } else { "" };
        let (front, defaults) = if self.has_features() {
            (
                "stick-table type ip size 100k expire 10s store http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }
  acl host hdr(host) -m beg 127.0.0.1 localhost
  http-request replace-path /pages/(.*) /\\1
  http-request deny unless host
  http-request set-header X-A %[src]
  http-request set-header X-B b
  http-request del-header X-C
  http-response set-header X-D d
  log stdout format raw local0
  option httplog",
                "option forwardfor",
            )
        } else if self.setup.mode == Mode::Http {
            ("", "option forwardfor")
        } else {
            ("", "")
        };
        format!(
            "global
  nbthread 1
  maxconn 4000
  tune.ssl.cachesize 0
defaults
  mode {mode}
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  {splice}
  {defaults}
frontend front
  bind {addr} {tls}
  {front}
  default_backend back
backend back
  server one {backend}
"
        )
    }

    /// `nginx.conf`, for requests.
    pub(crate) fn nginx(&self) -> String {
        let Self { addr, backend, files, dir, .. } = self;
        let (files, dir) = (files.display(), dir.display());
        let tls = if self.setup.tls {
            format!(
                "ssl_certificate {files}/cert.pem; ssl_certificate_key {files}/key.pem; ssl_session_tickets off; ssl_session_cache off;"
            )
        } else {
            String::new()
        };
        let ssl = if self.setup.tls { "ssl" } else { "" };
        format!(
            "worker_processes 1; user root; daemon off; pid {dir}/pid; error_log stderr;
events {{ worker_connections 24000; }}
http {{
  access_log off; {temporary}
  keepalive_timeout 600s; keepalive_requests 1000000000;
  upstream back {{ server {backend}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen {addr} {ssl} backlog=1024; {tls}
    location / {{
      proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection '';
      proxy_set_header X-Forwarded-For $remote_addr; proxy_max_temp_file_size 0;
    }}
  }}
}}
",
            temporary = temporary(&dir.to_string()),
        )
    }
}

/// The backend: nginx, at all addresses of the loopback network.
pub(crate) fn backend(port: u16, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "worker_processes 1; user root; daemon off; pid {dir}/pid; error_log stderr;
events {{ worker_connections 24000; }}
http {{
  access_log off; {temporary}
  sendfile on; tcp_nopush off; tcp_nodelay on; open_file_cache max=100 inactive=60s;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  server {{ listen 0.0.0.0:{port} backlog=1024; root {dir}; }}
}}
",
        temporary = temporary(&dir.to_string()),
    )
}

fn temporary(dir: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("{kind}_temp_path {dir}/{kind};")).concat()
}
