//! One rendition, written: its segments as files, or as ranges of one file, and the text of its playlists.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;

use super::PackageError;
use super::encrypt::Keys;
use crate::proto::hls::playlist::media::{ByteRange, Map, MediaPlaylist, Segment};
use crate::server::hls::vod::{
    I_FRAME_PLAYLIST, Kind, MEDIA_PLAYLIST, Measured, Rendition, SegmentError, Writer, Written,
};

/// How a rendition is to be written.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    /// Its folder.
    pub(super) folder: &'a Path,
    /// Whether segments are ranges of one file.
    pub(super) single_file: bool,
    /// By which segments are encrypted.
    pub(super) keys: Option<&'a Keys>,
    /// What is told how much was written.
    pub(super) bar: &'a ProgressBar,
}

/// What became of it.
pub(super) struct Done {
    /// What each segment came to.
    pub(super) measured: Measured,
    /// Playlists, which are written when all that they name is there.
    pub(super) playlists: Vec<(PathBuf, String)>,
}

impl Order<'_> {
    /// Writes the rendition.
    pub(super) fn rendition(&self, rendition: &Rendition) -> Result<Done, PackageError> {
        fs::create_dir_all(self.folder).map_err(|source| PackageError::write(self.folder, source))?;
        let is_text = matches!(rendition.kind, Kind::Subtitles { .. });
        let mut playlist = rendition.playlist();
        let mut measured = match self.single_file && !is_text {
            true => self.one_file(rendition, &mut playlist)?,
            false => self.files(rendition)?,
        };
        if let Some(keys) = self.keys.filter(|_| !is_text) {
            for (n, segment) in playlist.segments.iter_mut().enumerate() {
                segment.keys = keys.said(n);
            }
            // A range of an encrypted segment cannot be decrypted by itself by most players.
            measured.iter_mut().for_each(|written| written.i_frames.clear());
        }
        let mut playlists = vec![(self.folder.join(MEDIA_PLAYLIST), playlist.write())];
        if let Some(mut i_frames) = rendition.i_frames(&measured) {
            if let Some(one) = playlist.segments.first().filter(|first| first.byte_range.is_some()) {
                // Pictures of a segment follow each other, so each is of the segment whose bytes it is among.
                let ends = |segment: &Segment| segment.byte_range.map_or(0, ByteRange::end);
                for segment in &mut i_frames.segments {
                    let within = playlist.segments.partition_point(|whole| ends(whole) < ends(segment));
                    segment.uri.clone_from(&one.uri);
                    segment.map = playlist.segments.get(within).and_then(|whole| whole.map.clone());
                }
            }
            playlists.push((self.folder.join(I_FRAME_PLAYLIST), i_frames.write()));
        }
        Ok(Done { measured, playlists })
    }

    /// A file a segment.
    fn files(&self, rendition: &Rendition) -> Result<Measured, PackageError> {
        for (name, init) in rendition.inits() {
            let path = self.folder.join(name);
            fs::write(&path, init).map_err(|source| PackageError::write(&path, source))?;
        }
        let mut writer = rendition.writer();
        let mut measured = Vec::with_capacity(rendition.len());
        for n in 0..rendition.len() {
            let path = self.folder.join(rendition.segment_name(n));
            let mut file = File::create(&path).map_err(|source| PackageError::write(&path, source))?;
            measured.push(self.segment(rendition, &mut writer, n, &mut file)?);
        }
        Ok(measured)
    }

    /// One file, of which segments are ranges; the playlist is told of them.
    fn one_file(
        &self,
        rendition: &Rendition,
        playlist: &mut MediaPlaylist,
    ) -> Result<Measured, PackageError> {
        let inits = rendition.inits();
        let name = format!("media.{}", if inits.is_empty() { rendition.extension() } else { "mp4" });
        let path = self.folder.join(&name);
        let broken = |source| PackageError::write(&path, source);
        let mut file = File::create(&path).map_err(broken)?;
        let mut offset = 0;
        let mut maps = Vec::with_capacity(inits.len());
        for (_, init) in inits {
            file.write_all(&init).map_err(broken)?;
            let byte_range = Some(ByteRange { length: init.len() as u64, offset });
            maps.push(Arc::new(Map { uri: name.clone(), byte_range, keys: Arc::default() }));
            offset += init.len() as u64;
        }
        let mut writer = rendition.writer();
        let mut measured = Vec::with_capacity(rendition.len());
        for (n, segment) in playlist.segments.iter_mut().enumerate() {
            let mut written = self.segment(rendition, &mut writer, n, &mut file)?;
            segment.uri.clone_from(&name);
            segment.byte_range = Some(ByteRange { length: written.bytes, offset });
            segment.map = rendition.init_of(n).and_then(|init| maps.get(init).cloned());
            written.i_frames.iter_mut().for_each(|(range, _)| range.offset += offset);
            offset += written.bytes;
            measured.push(written);
        }
        Ok(measured)
    }

    fn segment(
        &self,
        rendition: &Rendition,
        writer: &mut Writer<'_>,
        n: usize,
        file: &mut File,
    ) -> Result<Written, PackageError> {
        let is_text = matches!(rendition.kind, Kind::Subtitles { .. });
        let written = match self.keys.filter(|_| !is_text) {
            None => writer.write(n, file),
            Some(keys) => {
                let mut encrypted = keys.encrypt(n, file);
                let written = writer.write(n, &mut encrypted);
                written.and_then(|written| {
                    let bytes = encrypted.finish().map_err(SegmentError::Write)?;
                    Ok(Written { bytes, ..written })
                })
            }
        };
        let written = written.map_err(failed(rendition, n))?;
        self.bar.inc(written.bytes);
        Ok(written)
    }
}

/// An error of segment `n`, with where it is.
fn failed(rendition: &Rendition, n: usize) -> impl FnOnce(SegmentError) -> PackageError {
    let rendition = rendition.folder().to_owned();
    move |source| PackageError::Segment { number: n + 1, rendition, source: Box::new(source) }
}
