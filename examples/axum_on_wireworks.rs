//! An axum application, unmodified, on this server.
//!
//! ```sh
//! cargo run --release --example axum_on_wireworks
//! curl http://127.0.0.1:8080/square/12
//! curl -H 'Content-Type: application/json' -d '{"name":"Ada"}' http://127.0.0.1:8080/greet
//! ```

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use wireworks::server::http::{RunError, tower};
use wireworks::server::peer::Peer;

#[derive(Deserialize)]
struct Greet {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

async fn square(Path(number): Path<u32>) -> Result<String, StatusCode> {
    let square = number.checked_mul(number).ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    Ok(format!("{square}\n"))
}

async fn greet(Json(greet): Json<Greet>) -> Json<Greeting> {
    let text = format!("Hello, {}!", greet.name);
    Json(Greeting { text })
}

/// The one thing that is ours: who is at the other end is an extension.
async fn whoami(Extension(peer): Extension<Arc<Peer>>) -> String {
    format!("{:?}\n", peer.addr)
}

fn main() -> Result<(), RunError> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let app = Router::new()
        .route("/square/{number}", get(square))
        .route("/greet", post(greet))
        .route("/whoami", get(whoami));
    wireworks::server::http::run(&address, tower::service(app))
}
