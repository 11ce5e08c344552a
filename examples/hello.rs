//! The smallest server: a greeting, and one with a name.
//!
//! ```sh
//! cargo run --release --example hello
//! curl http://127.0.0.1:8080/
//! curl http://127.0.0.1:8080/hello/Ada
//! ```

use wireworks::server::http::RunError;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::router::Router;

async fn hello(_: Request) -> &'static str {
    "Hello, World!\n"
}

async fn hello_name(request: Request) -> Result<String, Problem> {
    let name: String = request.param("name")?;
    Ok(format!("Hello, {name}!\n"))
}

fn main() -> Result<(), RunError> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let router = Router::new().get("/", hello).get("/hello/{name}", hello_name);
    wireworks::server::http::run(&address, router)
}
