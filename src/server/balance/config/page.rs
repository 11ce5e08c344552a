//! Responses without a backend: redirects, and pages.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use toml::Spanned;

use super::Action;
use super::checker::Checker;
use crate::proto::balance::template::Template;
use crate::server::balance::gateway::{ErrorPage, Page};
use crate::server::http::files::content_type;
use crate::server::units::TimeSpan;

/// The longest page, in bytes: pages are held in memory.
const MAX_PAGE: u64 = 1 << 20;

/// A redirect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RedirectTable {
    pub(super) to: Spanned<String>,
    pub(super) status: Option<Spanned<u16>>,
}

/// A page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PageTable {
    pub(super) status: Option<Spanned<u16>>,
    pub(super) body: Option<String>,
    pub(super) file: Option<Spanned<PathBuf>>,
    pub(super) content_type: Option<Spanned<String>>,
    pub(super) retry_after: Option<TimeSpan>,
}

/// A page for the balancer's own error responses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ErrorPageTable {
    pub(super) status: Option<Spanned<Vec<u16>>>,
    pub(super) body: Option<String>,
    pub(super) file: Option<Spanned<PathBuf>>,
    pub(super) content_type: Option<Spanned<String>>,
    pub(super) retry_after: Option<TimeSpan>,
}

/// The statuses of the balancer's own error responses.
const ERRORS: [u16; 3] = [502, 503, 504];

/// The statuses of redirects.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Checker<'_> {
    pub(super) fn redirect(&mut self, redirect: &RedirectTable) -> Action {
        let status = redirect.status.as_ref().map_or(308, |status| *status.get_ref());
        if let Some(at) = redirect.status.as_ref().filter(|_| !REDIRECTS.contains(&status)) {
            self.fault(&at.span(), "a redirect has the status 301, 302, 303, 307 or 308");
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
        let to = Template::parse(redirect.to.get_ref()).unwrap_or_else(|error| {
            self.fault(&redirect.to.span(), error.to_string());
            Template::default()
        });
        if redirect.to.get_ref().contains(' ') || redirect.to.get_ref().is_empty() {
            self.fault(&redirect.to.span(), "a redirect needs a URL without spaces");
        }
        Action::Redirect(to, status)
    }

    pub(super) fn page(&mut self, page: &Spanned<PageTable>) -> Page {
        let at = page.span();
        let page = page.get_ref();
        let status = page.status.as_ref().map_or(200, |status| *status.get_ref());
        if let Some(at) = page.status.as_ref().filter(|_| !(200..600).contains(&status)) {
            self.fault(&at.span(), "the status of a page is 200 to 599");
        }
        let (body, content_type) =
            self.contents(page.body.as_ref(), page.file.as_ref(), page.content_type.as_ref());
        if [204, 304].contains(&status) && !body.is_empty() {
            self.fault(&at, format!("a response with status {status} has no body"));
        }
        Page {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            content_type,
            body,
            retry_after: page.retry_after.map(seconds),
        }
    }

    pub(super) fn error_pages(&mut self, pages: &[ErrorPageTable]) -> Vec<ErrorPage> {
        let pages = pages.iter().map(|page| {
            let statuses = page.status.as_ref().map_or(&ERRORS[..], |statuses| statuses.get_ref());
            if let Some(at) = page.status.as_ref().filter(|_| !statuses.iter().all(|it| ERRORS.contains(it)))
            {
                self.fault(&at.span(), "an error page is for the statuses 502, 503 and 504");
            }
            let statuses = statuses.iter().filter_map(|status| StatusCode::from_u16(*status).ok()).collect();
            let (body, content_type) =
                self.contents(page.body.as_ref(), page.file.as_ref(), page.content_type.as_ref());
            let (status, retry_after) = (StatusCode::SERVICE_UNAVAILABLE, page.retry_after.map(seconds));
            ErrorPage { statuses, page: Page { status, content_type, body, retry_after } }
        });
        pages.collect()
    }

    /// The body and the media type of a page.
    fn contents(
        &mut self,
        body: Option<&String>,
        file: Option<&Spanned<PathBuf>>,
        content_type: Option<&Spanned<String>>,
    ) -> (Bytes, HeaderValue) {
        let (body, guessed) = match (body, file) {
            (Some(text), None) => (Bytes::from(text.clone()), TEXT),
            (None, Some(file)) => self.page_file(file),
            (None, None) => (Bytes::new(), TEXT),
            (Some(_), Some(file)) => {
                self.fault(&file.span(), "set either `body` or `file`");
                (Bytes::new(), TEXT)
            }
        };
        let content_type = match content_type {
            None => guessed,
            Some(text) => HeaderValue::try_from(text.get_ref()).unwrap_or_else(|_| {
                self.fault(&text.span(), "not a valid media type");
                TEXT
            }),
        };
        (body, content_type)
    }

    /// A page from a file, with the media type of its name.
    fn page_file(&mut self, file: &Spanned<PathBuf>) -> (Bytes, HeaderValue) {
        let path = file.get_ref();
        let body = read(path).unwrap_or_else(|error| {
            self.fault(&file.span(), format!("cannot read {}: {error}", path.display()));
            Bytes::new()
        });
        let name = path.file_name().unwrap_or_default();
        (body, content_type(name.as_bytes()).unwrap_or(TEXT))
    }
}

/// The value of `Retry-After`, at least a second: 0 would ask for an immediate retry.
fn seconds(time: TimeSpan) -> u64 {
    time.0.as_secs().max(1)
}

/// The contents of a file that is not too large.
fn read(path: &Path) -> std::io::Result<Bytes> {
    let mut body = Vec::new();
    std::fs::File::open(path)?.take(MAX_PAGE + 1).read_to_end(&mut body)?;
    if body.len() as u64 > MAX_PAGE {
        return Err(std::io::Error::other(format!("it is larger than {MAX_PAGE} bytes")));
    }
    Ok(body.into())
}
