//! Files from a form, written to disk while they arrive.
//!
//! ```sh
//! cargo run --release --example upload
//! curl -F note=holidays -F file=@photo.jpg http://127.0.0.1:8080/
//! ```

use std::io;
use std::path::Path;

use http::StatusCode;
use tokio::fs::{File, create_dir_all, remove_file};
use tokio::io::AsyncWriteExt;
use wireworks::server::http::RunError;
use wireworks::server::http::multipart::{FormLimits, Part};
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::router::Router;

const FORM: &str = "<!doctype html><title>Upload</title>
<form method=post enctype=multipart/form-data>
<input name=note placeholder='A note'> <input type=file name=file multiple> <button>Upload</button>
</form>";

const FOLDER: &str = "uploads";

const LIMITS: FormLimits = FormLimits { part: 1 << 30, total: 4 << 30, ..FormLimits::DEFAULT };

async fn form(_: Request) -> Response {
    Response::html(FORM)
}

async fn upload(mut request: Request) -> Result<(StatusCode, String), Problem> {
    let mut form = request.multipart(LIMITS)?;
    let mut report = String::new();
    while let Some(part) = form.next_part().await? {
        if let Some(name) = part.head().base_name().map(str::to_owned) {
            let size = store(part, &name).await?;
            report.push_str(&format!("stored {name}: {size} bytes\n"));
        } else {
            let name = part.name().to_owned();
            let text = part.text(1024).await?;
            report.push_str(&format!("{name}: {text}\n"));
        }
    }
    Ok((StatusCode::CREATED, report))
}

/// Writes a part to a file that is not there yet, so that nobody overwrites what another has sent.
async fn store(part: Part<'_>, name: &str) -> Result<u64, Problem> {
    create_dir_all(FOLDER).await.map_err(|error| failed(name, &error))?;
    let path = Path::new(FOLDER).join(name);
    let file = File::create_new(&path).await.map_err(|error| failed(name, &error))?;
    let stored = write(part, file, name).await;
    if stored.is_err() {
        // Half a file is worse than none.
        remove_file(&path).await.map_err(|error| failed(name, &error))?;
    }
    stored
}

async fn write(mut part: Part<'_>, mut file: File, name: &str) -> Result<u64, Problem> {
    let mut size = 0;
    while let Some(data) = part.chunk().await? {
        file.write_all(&data).await.map_err(|error| failed(name, &error))?;
        size += data.len() as u64;
    }
    file.flush().await.map_err(|error| failed(name, &error))?;
    Ok(size)
}

fn failed(name: &str, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Problem::new(StatusCode::CONFLICT, format!("there is a {name} already"))
        }
        _ => Problem::internal(format!("cannot store {name}: {error}")),
    }
}

fn main() -> Result<(), RunError> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let router = Router::new().get("/", form).post("/", upload);
    wireworks::server::http::run(&address, router)
}
