//! Forms with files, as a handler reads them: part after part, piece after piece, never more in memory than a piece.
//!
//! [`Request::multipart`](super::request::Request::multipart) gives a [`Multipart`]; its [`next_part`](Multipart::next_part)
//! a [`Part`] with the bytes as they arrive. A part that is not read to its end is passed over. Every limit has its own
//! sentence in a 413, because "too large" alone sends users to look for the wrong one. The format itself is
//! [`crate::proto::http::multipart`], RFC 7578.

use bytes::{Bytes, BytesMut};
use http::StatusCode;

use super::body::Body;
use super::problem::Problem;
use crate::proto::http::media_type::MediaType;
use crate::proto::http::multipart::{self as format, Event, MultipartError, MultipartLimits, PartHead};

/// What a form may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormLimits {
    /// Bytes of one part's content, unless [`Part::limit`] says otherwise for that part.
    pub part: u64,
    /// Bytes of the whole body.
    pub total: u64,
    /// Counts, and the sizes of what is not content.
    pub format: MultipartLimits,
}

impl FormLimits {
    /// 8 MiB a part and 32 MiB in all: above PHP (2 and 8 MiB) and Spring (1 and 10 MiB), and no danger, as nothing is
    /// gathered. Handlers for large files say more.
    pub const DEFAULT: Self = Self { part: 8 << 20, total: 32 << 20, format: MultipartLimits::DEFAULT };
}

impl Default for FormLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A form that is arriving.
#[derive(Debug)]
pub struct Multipart {
    body: Body,
    format: format::Multipart,
    /// What has arrived and is not decoded.
    source: BytesMut,
    limits: FormLimits,
    /// Bytes of the body that have arrived.
    arrived: u64,
    place: Place,
}

/// How far a form has been read.
#[derive(Debug)]
enum Place {
    BetweenParts,
    InPart,
    Ended,
    /// Nothing more can be read, and each further call says why.
    Failed(Problem),
}

impl Multipart {
    /// The form in `body`, by its `Content-Type`.
    pub(super) fn new(content_type: Option<&[u8]>, body: Body, limits: FormLimits) -> Result<Self, Problem> {
        let media = content_type.and_then(|value| MediaType::parse(value).ok());
        let Some(media) = media.filter(|media| media.is("multipart", "form-data")) else {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be multipart/form-data",
            ));
        };
        let boundary = media.boundary();
        let boundary = boundary
            .as_deref()
            .and_then(|boundary| std::str::from_utf8(boundary).ok())
            .ok_or_else(|| Problem::bad_request("multipart/form-data without a boundary"))?;
        if body.len().is_some_and(|length| length > limits.total) {
            return Err(too_large(format_args!("the form"), limits.total));
        }
        Ok(Self {
            body,
            format: format::Multipart::new(boundary, limits.format)?,
            source: BytesMut::new(),
            limits,
            arrived: 0,
            place: Place::BetweenParts,
        })
    }

    /// The next part, or `None` at the end of the form. What was not read of the last part is passed over.
    ///
    /// # Errors
    /// 413 naming the limit that the form exceeds, 400 when it is malformed or ends too early, 408 when it comes too slowly.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_>>, Problem> {
        loop {
            match self.event().await? {
                Some(Event::Head(head)) => {
                    return Ok(Some(Part { limit: self.limits.part, form: self, head, taken: 0 }));
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next event but the end, for which it gives `None`.
    async fn event(&mut self) -> Result<Option<Event>, Problem> {
        match &self.place {
            Place::Ended => return Ok(None),
            Place::Failed(problem) => return Err(problem.clone()),
            Place::BetweenParts | Place::InPart => {}
        }
        let event = self.arrival().await;
        self.place = match &event {
            Ok(Some(Event::Head(_) | Event::Data(_))) => Place::InPart,
            Ok(Some(Event::PartEnd)) => Place::BetweenParts,
            Ok(Some(Event::End) | None) => Place::Ended,
            Err(problem) => Place::Failed(problem.clone()),
        };
        event
    }

    /// Reads until there is an event. What follows the form is read too, so that the connection can go on.
    async fn arrival(&mut self) -> Result<Option<Event>, Problem> {
        loop {
            match self.format.decode(&mut self.source)? {
                Some(Event::End) => {}
                Some(event) => return Ok(Some(event)),
                None => match self.body.data().await {
                    Some(data) => self.arrived(&data?)?,
                    None => return Ok(self.format.decode_eof(&mut self.source)?),
                },
            }
        }
    }

    fn arrived(&mut self, data: &[u8]) -> Result<(), Problem> {
        self.arrived = self.arrived.saturating_add(data.len() as u64);
        if self.arrived > self.limits.total {
            return Err(too_large(format_args!("the form"), self.limits.total));
        }
        self.source.extend_from_slice(data);
        Ok(())
    }
}

/// A part of a form: a field or a file.
#[derive(Debug)]
pub struct Part<'a> {
    form: &'a mut Multipart,
    head: Box<PartHead>,
    limit: u64,
    taken: u64,
}

impl Part<'_> {
    /// The name of the form's field. Names may repeat.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The name that the client gives its file: a label, never a path to write to.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// The media type that the client gives.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// All that the head of the part says.
    #[must_use]
    pub fn head(&self) -> &PartHead {
        &self.head
    }

    /// The same part, which may have so many bytes, whatever the limit of the form's parts is.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The next bytes, never none of them, or `None` at the end of the part.
    ///
    /// # Errors
    /// As for [`Multipart::next_part`]; 413 over the limit of the part.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        if !matches!(self.form.place, Place::InPart | Place::Failed(_)) {
            return Ok(None);
        }
        let Some(Event::Data(data)) = self.form.event().await? else {
            return Ok(None);
        };
        self.taken = self.taken.saturating_add(data.len() as u64);
        if self.taken > self.limit {
            let problem = too_large(format_args!("the part {:?}", self.head.name), self.limit);
            self.form.place = Place::Failed(problem.clone());
            return Err(problem);
        }
        Ok(Some(data))
    }

    /// The whole part in memory, at most `limit` bytes of it.
    ///
    /// # Errors
    /// As for [`chunk`](Self::chunk).
    pub async fn bytes(self, limit: u64) -> Result<Bytes, Problem> {
        let mut part = Self { limit: self.limit.min(limit), ..self };
        let mut all = BytesMut::new();
        while let Some(data) = part.chunk().await? {
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    }

    /// The whole part as text, at most `limit` bytes of it.
    ///
    /// # Errors
    /// As for [`chunk`](Self::chunk); 400 when it is not UTF-8.
    pub async fn text(self, limit: u64) -> Result<String, Problem> {
        let name = self.head.name.clone();
        let bytes = self.bytes(limit).await?;
        String::from_utf8(bytes.into())
            .map_err(|_| Problem::bad_request(format!("the part {name:?} is not UTF-8")))
    }
}

fn too_large(what: std::fmt::Arguments<'_>, limit: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("{what} is larger than {limit} bytes"))
}

impl From<MultipartError> for Problem {
    fn from(error: MultipartError) -> Self {
        if error.is_limit() {
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        } else {
            Self::bad_request(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::super::request::Request;
    use super::super::testing::request;
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=XX";

    const FORM: &str = "--XX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA title\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        one\r\ntwo\r\n--XX--\r\n";

    fn post(content_type: &str, body: impl Into<Body>) -> Request {
        request("POST /", &[("Content-Type", content_type)], body)
    }

    fn small(part: u64, total: u64) -> FormLimits {
        FormLimits { part, total, ..FormLimits::DEFAULT }
    }

    /// Reads a form to its end: names, file names, types and content.
    async fn all(mut form: Multipart) -> Result<Vec<String>, Problem> {
        let mut parts = Vec::new();
        while let Some(mut part) = form.next_part().await? {
            let mut line = format!("{} {:?} {:?}: ", part.name(), part.file_name(), part.content_type());
            while let Some(data) = part.chunk().await? {
                assert!(!data.is_empty());
                line.push_str(std::str::from_utf8(&data).unwrap());
            }
            assert!(part.chunk().await?.is_none(), "the end stays the end");
            parts.push(line);
        }
        assert!(form.next_part().await?.is_none(), "the end stays the end");
        Ok(parts)
    }

    fn pieces(text: &'static str, size: usize) -> Body {
        let pieces = text.as_bytes().chunks(size).map(Bytes::from_static);
        Body::stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
    }

    #[tokio::test]
    async fn parts_arrive_whole_however_the_body_is_cut() {
        for size in [1, 2, 7, 64, FORM.len()] {
            let form = post(TYPE, pieces(FORM, size)).multipart(FormLimits::DEFAULT).unwrap();
            let expected =
                ["title None None: A title", "file Some(\"a.txt\") Some(\"text/plain\"): one\r\ntwo"];
            assert_eq!(all(form).await.unwrap(), expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn what_is_not_read_is_passed_over() {
        let mut form = post(TYPE, pieces(FORM, 3)).multipart(FormLimits::DEFAULT).unwrap();
        let mut first = form.next_part().await.unwrap().unwrap();
        assert!(first.chunk().await.unwrap().is_some());
        let second = form.next_part().await.unwrap().unwrap();
        assert_eq!(second.name(), "file");
        assert_eq!(second.text(100).await.unwrap(), "one\r\ntwo");
        assert!(form.next_part().await.unwrap().is_none());
    }

    #[test]
    fn what_is_no_form_is_refused_before_it_is_read() {
        for (content_type, status) in [
            ("text/plain", 415),
            ("multipart/mixed; boundary=XX", 415),
            ("nonsense", 415),
            ("multipart/form-data", 400),
            ("multipart/form-data; boundary=\"\"", 400),
            ("multipart/form-data; boundary=\"a;b\"", 400),
        ] {
            let form = post(content_type, FORM).multipart(FormLimits::DEFAULT);
            assert_eq!(form.unwrap_err().status(), status, "{content_type}");
        }
        let none = request("POST /", &[], FORM).multipart(FormLimits::DEFAULT);
        assert_eq!(none.unwrap_err().status(), 415);
    }

    #[tokio::test]
    async fn each_limit_says_its_name() {
        let two = MultipartLimits { parts: 1, ..MultipartLimits::DEFAULT };
        let one_part = FormLimits { format: two, ..FormLimits::DEFAULT };
        let all_of_it = FORM.len() as u64;
        for (limits, sentence) in [
            (small(7, 1000), "the part \"file\" is larger than 7 bytes"),
            (small(6, 1000), "the part \"title\" is larger than 6 bytes"),
            (small(99, all_of_it - 1), "the form is larger than"),
            (one_part, "more than 1 multipart parts"),
        ] {
            let form = post(TYPE, pieces(FORM, 5)).multipart(limits).unwrap();
            let problem = all(form).await.unwrap_err();
            assert_eq!(problem.status(), 413);
            assert!(problem.to_string().contains(sentence), "{problem}");
        }
        let form = post(TYPE, pieces(FORM, 5)).multipart(small(8, all_of_it)).unwrap();
        assert!(all(form).await.is_ok(), "the limits themselves are allowed");
        let announced = post(TYPE, FORM).multipart(small(99, all_of_it - 1));
        assert_eq!(announced.unwrap_err().status(), 413, "without reading it");
    }

    #[tokio::test]
    async fn a_part_can_have_a_limit_of_its_own() {
        let mut form = post(TYPE, FORM).multipart(small(1, 1000)).unwrap();
        let title = form.next_part().await.unwrap().unwrap();
        assert_eq!(title.limit(7).bytes(100).await.unwrap(), "A title");
        let file = form.next_part().await.unwrap().unwrap();
        assert_eq!(file.limit(100).text(7).await.unwrap_err().status(), 413);
        let after = form.next_part().await.unwrap_err();
        assert_eq!(after.status(), 413, "a form that failed stays so");
    }

    #[tokio::test]
    async fn a_torn_or_broken_form_is_a_bad_request() {
        for end in 0..FORM.len() - 2 {
            let form = post(TYPE, &FORM[..end]).multipart(FormLimits::DEFAULT).unwrap();
            assert_eq!(all(form).await.unwrap_err().status(), 400, "cut off at {end}");
        }
        let broken = post(TYPE, "--XX\r\nno colon\r\n\r\n").multipart(FormLimits::DEFAULT);
        assert_eq!(all(broken.unwrap()).await.unwrap_err().status(), 400);
        let not_text =
            Bytes::from_static(b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\xFF\r\n--XX--");
        let mut form = post(TYPE, not_text).multipart(FormLimits::DEFAULT).unwrap();
        let part = form.next_part().await.unwrap().unwrap();
        assert_eq!(part.text(10).await.unwrap_err().status(), 400);
    }
}
