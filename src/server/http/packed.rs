//! A file that is built into the program, as it goes over the wire: as it is, and compressed once and for all when somebody first asks for it so.
//!
//! The files are small and few, and the same until the program is another: there is time to compress them well, and no reason to do it
//! twice. Each coding is a representation with a tag of its own (RFC 9110, section 8.8.3.3).

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::SystemTime;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderValue, StatusCode};

use crate::proto::http::conditional::{Validators, Verdict, evaluate};
use crate::proto::http::etag::EntityTag;
use crate::proto::http::list::FieldLines as _;
use crate::proto::http::negotiate::{AcceptEncoding, Coding};
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// What we have, the smallest first.
const OFFERED: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

/// How hard Brotli tries, of 11: a millisecond or two for a file of the usual size, where 11 takes thirty for two percent more.
const QUALITY: u32 = 9;

/// A file that is larger than this is packed less hard: all wait for it, and it would take a tenth of a second and more.
const LARGE: usize = 128 << 10;

/// How hard Brotli and gzip try then.
const LARGE_QUALITY: u32 = 5;

/// The window of Brotli, as a power of two: no file is larger.
const WINDOW: u32 = 20;

/// Bytes below which a file is sent as it is: its packet is the same.
const LEAST: usize = 600;

/// A file, and what became of it.
#[derive(Debug)]
pub(in crate::server) struct Packed {
    kind: &'static str,
    plain: Bytes,
    gzip: OnceLock<Option<Bytes>>,
    brotli: OnceLock<Option<Bytes>>,
}

impl Packed {
    pub(in crate::server) const fn new(kind: &'static str, plain: Bytes) -> Self {
        Self { kind, plain, gzip: OnceLock::new(), brotli: OnceLock::new() }
    }

    /// Answers a request for this file. Whoever has it under this tag does not get it again.
    pub(in crate::server) fn answer(&self, request: &Request, tag: &str) -> Response {
        let (coding, bytes) = self.chosen(request);
        let tag = EntityTag::strong(format!("{tag}{}", coding.etag_suffix())).ok();
        let validators = Validators { etag: tag.clone(), last_modified: None };
        let response = match evaluate(request.method(), request.head(), Some(&validators), SystemTime::now())
        {
            Verdict::Proceed => {
                let response = Response::new(bytes).with(CONTENT_TYPE, HeaderValue::from_static(self.kind));
                match coding {
                    Coding::Identity => response,
                    coding => response.with(CONTENT_ENCODING, HeaderValue::from_static(coding.name())),
                }
            }
            Verdict::NotModified => Response::empty(StatusCode::NOT_MODIFIED),
            Verdict::PreconditionFailed => Response::empty(StatusCode::PRECONDITION_FAILED),
        };
        let response = response.with(VARY, HeaderValue::from_static("accept-encoding"));
        match tag.and_then(|tag| HeaderValue::try_from(tag.to_bytes()).ok()) {
            Some(tag) => response.with(ETAG, tag),
            None => response,
        }
    }

    /// What the client likes best of what there is.
    fn chosen(&self, request: &Request) -> (Coding, Bytes) {
        let accept = AcceptEncoding::parse(request.head().lines(ACCEPT_ENCODING.as_str()));
        let coding = accept.choose(&OFFERED).unwrap_or(Coding::Identity);
        match self.packed(coding) {
            Some(bytes) => (coding, bytes),
            None => (Coding::Identity, self.plain.clone()),
        }
    }

    /// The file in a coding, if that is worth it.
    fn packed(&self, coding: Coding) -> Option<Bytes> {
        let made = match coding {
            Coding::Brotli => self.brotli.get_or_init(|| self.worth(brotli)),
            Coding::Gzip => self.gzip.get_or_init(|| self.worth(gzip)),
            Coding::Identity | Coding::Zstd => return None,
        };
        made.clone()
    }

    fn worth(&self, pack: fn(&[u8]) -> std::io::Result<Vec<u8>>) -> Option<Bytes> {
        let text = self.kind.starts_with("text/") || self.kind.contains("json") || self.kind.contains("svg");
        if !text || self.plain.len() < LEAST {
            return None;
        }
        let packed = pack(&self.plain).ok()?;
        (packed.len() < self.plain.len()).then(|| packed.into())
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let level = if plain.len() > LARGE { Compression::new(LARGE_QUALITY) } else { Compression::best() };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain)?;
    encoder.finish()
}

fn brotli(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let quality = if plain.len() > LARGE { LARGE_QUALITY } else { QUALITY };
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, quality, WINDOW);
    encoder.write_all(plain)?;
    encoder.flush()?;
    Ok(encoder.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::server::http::testing::{field, request};

    const TEXT: &[u8] = &[b'a'; 5000];

    async fn body(mut response: Response) -> Vec<u8> {
        std::mem::take(response.body_mut()).collect(1 << 20).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn a_file_is_packed_as_its_reader_likes_it() {
        let file = Packed::new("text/css", Bytes::from_static(TEXT));
        for (accept, coding) in
            [("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0.5, gzip", "gzip"), ("zstd", ""), ("br;q=0", "")]
        {
            let response = file.answer(&request("GET /", &[("Accept-Encoding", accept)], ""), "x");
            assert_eq!(field(&response, "content-encoding"), coding, "{accept}");
            assert_eq!(field(&response, "vary"), "accept-encoding");
            let bytes = body(response).await;
            let mut plain = Vec::new();
            match coding {
                "br" => _ = brotli::Decompressor::new(&bytes[..], 4096).read_to_end(&mut plain).unwrap(),
                "gzip" => _ = flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap(),
                _ => plain.clone_from(&bytes),
            }
            assert!(plain == TEXT, "{accept}");
            assert!(coding.is_empty() || bytes.len() < 200, "{accept}: {}", bytes.len());
        }
    }

    #[tokio::test]
    async fn each_coding_has_a_tag_of_its_own() {
        let file = Packed::new("text/css", Bytes::from_static(TEXT));
        for (accept, tag) in [("br", "\"x-br\""), ("gzip", "\"x-gz\""), ("", "\"x\"")] {
            let fields = [("Accept-Encoding", accept), ("If-None-Match", tag)];
            let response = file.answer(&request("GET /", &fields, ""), "x");
            assert_eq!(response.code(), 304, "{accept}");
            assert_eq!(field(&response, "etag"), tag, "{accept}");
            let fields = [("Accept-Encoding", accept), ("If-None-Match", "\"y\"")];
            assert_eq!(file.answer(&request("GET /", &fields, ""), "x").code(), 200);
        }
    }

    #[tokio::test]
    async fn what_gains_nothing_is_sent_as_it_is() {
        for file in [
            Packed::new("image/png", Bytes::from_static(TEXT)),
            Packed::new("text/css", Bytes::from_static(b"small")),
        ] {
            let response = file.answer(&request("GET /", &[("Accept-Encoding", "br, gzip")], ""), "x");
            assert_eq!(field(&response, "content-encoding"), "");
            assert_eq!(field(&response, "etag"), "\"x\"");
        }
    }
}
