//! What a client uploads: counted, described, and forgotten.

use serde::Serialize;

use crate::server::http::multipart::{FormLimits, Part};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Json, Response};

/// Files may be large here, as nothing is kept: 4 GiB each and in all.
const LIMITS: FormLimits = FormLimits { part: 4 << 30, total: 4 << 30, ..FormLimits::DEFAULT };

/// What is said of a part.
#[derive(Debug, PartialEq, Serialize)]
struct Described {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    bytes: u64,
}

#[derive(Serialize)]
struct Form {
    parts: Vec<Described>,
}

#[derive(Serialize)]
struct File {
    path: String,
    bytes: u64,
}

/// The parts of a form.
pub(super) async fn form(mut request: Request) -> Result<Json<impl Serialize>, Problem> {
    let mut form = request.multipart(LIMITS)?;
    let mut parts = Vec::new();
    while let Some(part) = form.next_part().await? {
        parts.push(describe(part).await?);
    }
    Ok(Json(Form { parts }))
}

async fn describe(mut part: Part<'_>) -> Result<Described, Problem> {
    let mut bytes = 0;
    while let Some(data) = part.chunk().await? {
        bytes += data.len() as u64;
    }
    Ok(Described {
        name: part.name().to_owned(),
        file_name: part.file_name().map(str::to_owned),
        content_type: part.content_type().map(str::to_owned),
        bytes,
    })
}

/// The size of a body.
pub(super) async fn file(mut request: Request) -> Result<Json<impl Serialize>, Problem> {
    let mut bytes = 0;
    while let Some(data) = request.body_mut().data().await {
        bytes += data?.len() as u64;
    }
    let path = request.path().to_owned();
    Ok(Json(File { path, bytes }))
}

/// The same, as a reply.
pub(super) async fn reply(request: Request) -> Response {
    file(request).await.into_response()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::super::router;
    use crate::server::http::body::{Body, BoxError};
    use crate::server::http::handler::Handler;
    use crate::server::http::testing::{read, request};

    #[tokio::test]
    async fn a_form_is_described() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n\
            --X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\
            Content-Type: image/png\r\n\r\n12345\r\n--X--\r\n";
        let fields = [("Content-Type", "multipart/form-data; boundary=X")];
        let (status, text) = read(router().handle(request("POST /upload", &fields, body)).await).await;
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let parts = serde_json::json!({"parts": [
            {"name": "note", "file_name": null, "content_type": null, "bytes": 2},
            {"name": "file", "file_name": "a.bin", "content_type": "image/png", "bytes": 5},
        ]});
        assert_eq!((status, said), (200, parts));
    }

    #[tokio::test]
    async fn a_body_is_counted_wherever_curl_puts_it() {
        for path in ["/big.iso", "/upload/big.iso"] {
            let pieces = stream::iter((0..100).map(|_| Ok::<_, BoxError>(vec![0; 1000].into())));
            let put = request(&format!("PUT {path}"), &[], Body::stream(pieces));
            let expected = format!("{{\"path\":\"{path}\",\"bytes\":100000}}");
            assert_eq!(read(router().handle(put).await).await, (200, expected));
        }
    }

    #[tokio::test]
    async fn a_body_that_fails_is_no_upload() {
        let broken = stream::iter([Ok(vec![0; 10].into()), Err(BoxError::from("broken"))]);
        let put = request("PUT /a", &[], Body::stream(broken));
        assert_eq!(router().handle(put).await.code(), 500);
    }
}
