//! A file that is ready to be sent: its validators, its fields and its content, in each coding that there is.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use super::Shared;
use super::answer::Sendable;
use super::content::{Content, Patience, Read, read};
use super::find::{Form, FoundFile};
use super::root::{OpenError, Opened, Stamp, stamp};
use super::types::content_type;
use crate::net::workers::Priority;
use crate::proto::http::conditional::Validators;
use crate::proto::http::date;
use crate::proto::http::etag::EntityTag;
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::proto::http::negotiate::{AcceptEncoding, Coding};
use crate::server::http::problem::Problem;

/// How often a file that changes while it is read is read again, before it is sent as it comes.
const RETRIES: usize = 3;

/// What answers for a path.
#[derive(Debug)]
pub(super) struct Entry {
    /// Of the file, from the root.
    path: Vec<u8>,
    /// The file itself, then its siblings in the order of our preference. Never empty.
    variants: Vec<Variant>,
    /// The codings of the siblings.
    codings: Vec<Coding>,
}

/// A file in one coding.
#[derive(Debug)]
pub(super) struct Variant {
    coding: Coding,
    stamp: Stamp,
    pub(super) sendable: Sendable,
}

impl Entry {
    /// The variant that suits a request best: RFC 9110 section 12.5.3.
    pub(super) fn choose(&self, head: &Head) -> Option<&Variant> {
        let coding = if self.codings.is_empty() {
            Coding::Identity
        } else {
            let accept = AcceptEncoding::parse(head.lines("accept-encoding"));
            // Who refuses even identity gets it all the same: a 406 would help nobody.
            accept.choose(&self.codings).unwrap_or(Coding::Identity)
        };
        self.variants.iter().find(|variant| variant.coding == coding)
    }

    /// Whether the disk still has what the entry was made from.
    pub(super) fn is_of(&self, found: &FoundFile) -> bool {
        self.path == found.path
            && self.variants.len() == found.forms.len()
            && self
                .variants
                .iter()
                .zip(&found.forms)
                .all(|(variant, form)| variant.coding == form.coding && variant.stamp == form.stamp)
    }

    /// Bytes of content in memory.
    pub(super) fn bytes(&self) -> usize {
        let in_memory = |variant: &Variant| match &variant.sendable.content {
            Content::Memory(bytes) => bytes.len(),
            Content::File(..) | Content::Fetched(_) => 0,
        };
        self.variants.iter().map(in_memory).sum()
    }

    /// Open descriptors.
    pub(super) fn descriptors(&self) -> usize {
        let is_open = |variant: &&Variant| matches!(variant.sendable.content, Content::File(..));
        self.variants.iter().filter(is_open).count()
    }
}

impl Variant {
    /// A file of this name with its validators and the fields of a 200.
    pub(super) fn new(
        name: &[u8],
        coding: Coding,
        stamp: Stamp,
        content: Content,
        now: SystemTime,
    ) -> Result<Self, Problem> {
        let internal =
            |error: &dyn std::fmt::Display| Problem::internal(format!("a field of a file: {error}"));
        let etag = EntityTag::strong(stamp.tag() + coding.etag_suffix()).map_err(|error| internal(&error))?;
        // RFC 9110 section 8.8.2.1: a date that lies ahead is replaced.
        let modified = stamp.modified().min(now);
        let mut fields = Fields::new();
        fields.append(
            CONTENT_TYPE,
            content_type(name).unwrap_or(HeaderValue::from_static("application/octet-stream")),
        );
        if coding != Coding::Identity {
            fields.append(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        fields.append(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.append(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).map_err(|error| internal(&error));
        fields.append(ETAG, value(&etag.to_bytes())?);
        fields.append(LAST_MODIFIED, value(&date::format(modified))?);
        let validators = Validators { etag: Some(etag), last_modified: Some(modified) };
        Ok(Self { coding, stamp, sendable: Sendable { length: stamp.size, validators, fields, content } })
    }

    /// Whether what would be sent is what the validators say. Content in memory always is; an open file may be written to.
    pub(super) fn is_intact(&self) -> bool {
        match &self.sendable.content {
            Content::Memory(_) | Content::Fetched(_) => true,
            Content::File(file, _) => stamp(file).is_ok_and(|now| now == self.stamp),
        }
    }
}

impl Shared {
    /// Makes an entry of a file that was found.
    pub(super) async fn prepare(&self, found: FoundFile, now: SystemTime) -> Result<Entry, Problem> {
        let FoundFile { path, forms } = found;
        let codings: Vec<Coding> = forms.iter().skip(1).map(|form| form.coding).collect();
        let mut variants = Vec::with_capacity(forms.len());
        for form in forms {
            let coding = form.coding;
            let (stamp, content) = self.content(&path, form).await?;
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(&path);
            let mut variant = Variant::new(name, coding, stamp, content, now)?;
            self.dress(&mut variant.sendable.fields, name, !codings.is_empty());
            variants.push(variant);
        }
        Ok(Entry { path, variants, codings })
    }

    /// Reads a small file, and keeps a large one open.
    async fn content(&self, path: &[u8], form: Form) -> Result<(Stamp, Content), Problem> {
        let Form { coding, file, stamp: mut current } = form;
        let mut file = Arc::new(file);
        for _ in 0..RETRIES {
            if current.size > self.options.cache.file {
                break;
            }
            match self.read(&file, current).await? {
                Read::Whole(bytes) => return Ok((current, Content::Memory(bytes))),
                Read::NotInMemory | Read::Changed => {}
            }
            let name = [path, coding.file_suffix().as_bytes()].concat();
            match self.root.open(&name) {
                Ok(Opened::File(again, stamp)) => (file, current) = (Arc::new(again), stamp),
                Ok(Opened::Directory(_)) => return Err(problem(OpenError::Missing)),
                Err(error) => return Err(problem(error)),
            }
        }
        Ok((current, Content::File(file, Some(self.blocking.clone()))))
    }

    /// A file that is in memory costs a few microseconds here, and ten times that in another thread; one that is not would
    /// hold up every connection of this thread.
    async fn read(&self, file: &Arc<std::fs::File>, current: Stamp) -> Result<Read, Problem> {
        let failed = |error: std::io::Error| problem(OpenError::Failed(error));
        match read(file, &current, Patience::None).map_err(failed)? {
            Read::NotInMemory => {}
            done => return Ok(done),
        }
        let file = Arc::clone(file);
        let job = self
            .blocking
            .submit(Priority::Normal, move || read(&file, &current, Patience::Any))
            .map_err(|_| busy())?;
        job.await.map_err(|error| Problem::internal(format!("reading a file: {error}")))?.map_err(failed)
    }

    /// Adds the fields that the options ask for.
    fn dress(&self, fields: &mut Fields, name: &[u8], varies: bool) {
        if let Some(disposition) = self.options.disposition.value(name) {
            fields.append(CONTENT_DISPOSITION, disposition);
        }
        if let Some(cache_control) = &self.options.cache_control {
            fields.append(CACHE_CONTROL, cache_control.clone());
        }
        if varies {
            fields.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
    }
}

/// What a client is told when a path leads nowhere.
pub(super) fn problem(error: OpenError) -> Problem {
    match error {
        OpenError::Missing => Problem::not_found(),
        OpenError::Forbidden => Problem::new(StatusCode::FORBIDDEN, error.to_string()),
        OpenError::Busy => busy(),
        OpenError::Failed(_) => Problem::internal(error.to_string()),
    }
}

/// 503, to be tried again soon.
pub(super) fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too much to do, try again soon")
        .with(http::header::RETRY_AFTER, HeaderValue::from_static("1"))
}
