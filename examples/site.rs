//! A whole site: pages of its own, files from a folder, and around both what a server on the open net wants.
//!
//! ```sh
//! cargo run --release --example site -- docs
//! curl -ik https://localhost:8443/hello/Ada
//! curl -ik https://localhost:8443/http.md
//! curl http://127.0.0.1:9090/metrics
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use wireworks::net::limits::ConnectionLimits;
use wireworks::net::workers::{Blocking, BlockingConfig};
use wireworks::server::http::Server;
use wireworks::server::http::files::{Files, FilesOptions};
use wireworks::server::http::middleware::Stack;
use wireworks::server::http::middleware::access_log::{Format, Target};
use wireworks::server::http::middleware::compression::Compression;
use wireworks::server::http::middleware::request_id::RequestIds;
use wireworks::server::http::middleware::security::SecurityHeaders;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::router::Router;
use wireworks::server::http::settings::Settings;
use wireworks::server::process::announce;

async fn hello(request: Request) -> Result<String, Problem> {
    let name: String = request.param("name")?;
    Ok(format!("Hello, {name}!\n"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or(default.to_owned());
    let (folder, address, metrics) = (arg("docs"), arg("127.0.0.1:8443"), arg("127.0.0.1:9090"));
    let workers = Blocking::new(BlockingConfig::default());
    let options = FilesOptions { listing: true, ..FilesOptions::default() };
    let files = Files::new(Path::new(&folder), options, workers.clone())?;
    let stack = Stack {
        request_id: Some(RequestIds),
        catch_panics: true,
        security_headers: Some(SecurityHeaders::default()),
        compression: Some(Compression::default().workers(workers.clone())),
        ..Stack::default()
    };
    Server::new(Router::new().get("/hello/{name}", hello).fallback(files))
        .stack(stack)
        .listen(&*address)
        .tls_self_signed()
        .settings(Settings { head_timeout: Duration::from_secs(10), ..Settings::default() })
        .connections(ConnectionLimits { per_address: 100, ..ConnectionLimits::default() })
        .access_log(Format::Combined, Target::Stdout)
        .metrics(&*metrics)
        .workers(workers)
        .on_ready(announce)
        .run()?;
    Ok(())
}
