//! The bytes of segments: one after the other, as they are packaged, or one by itself, as somebody asks for it.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;

use super::{Inside, Rendition, Section};
use crate::proto::hls::playlist::media::ByteRange;
use crate::proto::hls::vod::fmp4;
use crate::server::hls::vod::copy::Copier;
use crate::server::hls::vod::error::SegmentError;
use crate::server::hls::vod::plan::Format;
use crate::server::hls::vod::transport::Transport;

/// What a segment came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its bytes.
    pub bytes: u64,
    /// Pictures that need no other one: which bytes of it they are, and how long it is until the next one.
    pub i_frames: Vec<(ByteRange, Duration)>,
}

impl Rendition {
    /// Writes segments one after the other.
    #[must_use]
    pub fn writer(&self) -> Writer<'_> {
        Writer { rendition: self, transport: None, apart: false, copier: Copier::default() }
    }

    /// How many bytes segment `n` has, or a few more; of subtitles it is not known.
    #[must_use]
    pub fn planned_bytes(&self, n: usize) -> Option<u64> {
        self.section(n).and_then(|(_, section, n)| Some(section.planned.get(n)?.written.bytes))
    }

    /// Segment `n` by itself. In MPEG-TS the counters of its packets go on from segment to segment when all are made so.
    ///
    /// # Errors
    /// There is none of that number, or its samples cannot be read.
    pub fn segment(&self, n: usize) -> Result<Bytes, SegmentError> {
        let bytes = self.planned_bytes(n).unwrap_or(0);
        let mut out = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        Writer { apart: true, ..self.writer() }.write(n, &mut out)?;
        Ok(out.into())
    }
}

impl Section {
    fn transport(&self) -> Result<Transport, SegmentError> {
        let name = self.tracks.sources.first().map_or("", |source| source.name());
        let failed = |why| SegmentError::Mux { name: name.to_owned(), number: 0, at: 0, why };
        Transport::new(&self.tracks.layout, self.tracks.start).map_err(failed)
    }
}

/// Writes the segments of a rendition.
#[derive(Debug)]
pub struct Writer<'a> {
    rendition: &'a Rendition,
    /// What makes the segments of a section, in MPEG-TS.
    transport: Option<(usize, Transport)>,
    /// Whether each segment is made by itself.
    apart: bool,
    copier: Copier,
}

impl Writer<'_> {
    /// Writes segment `n`.
    ///
    /// # Errors
    /// There is none of that number, its samples cannot be read, or it cannot be written.
    pub fn write(&mut self, n: usize, out: &mut impl Write) -> Result<Written, SegmentError> {
        if let Inside::Text(text) = &self.rendition.inside
            && n < text.spans.len()
        {
            let segment = text.segment(n);
            out.write_all(segment.as_bytes()).map_err(SegmentError::Write)?;
            return Ok(Written { bytes: segment.len() as u64, i_frames: Vec::new() });
        }
        let (at, section, n) = self.rendition.section(n).ok_or(SegmentError::None(n))?;
        let Section { tracks, planned, .. } = section;
        let (layout, sources) = (&tracks.layout, &tracks.sources);
        if tracks.format == Format::Ts {
            let mut transport = match self.transport.take() {
                Some((known, transport)) if known == at && !self.apart => transport,
                _ if self.apart => section.transport()?.apart(n),
                _ => section.transport()?,
            };
            let sizes = transport.segment(layout, n, sources, &tracks.leads, out)?;
            self.transport = Some((at, transport));
            let range = |length| (ByteRange { length, offset: 0 }, layout.duration(n));
            let i_frames = sizes.first.map(range).into_iter().collect();
            return Ok(Written { bytes: sizes.bytes, i_frames });
        }
        let planned = planned.get(n).ok_or(SegmentError::None(n))?;
        let segment = fmp4::segment(layout, n, planned.sequence, tracks.options)?;
        self.copier.put(&segment.head, out)?;
        for fragment in &segment.fragments {
            self.copier.put(&fragment.head, out)?;
            self.copier.copy(&fragment.extents, sources, out)?;
        }
        self.copier.flush(out)?;
        Ok(planned.written.clone())
    }
}
