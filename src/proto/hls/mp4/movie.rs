//! The box `moov`: the tracks of a movie, and where their samples are (ISO/IEC 14496-12 section 8.2 to 8.8.3).
//!
//! Tracks in codings that are not understood are left out and named, so that a film with a track of time codes or a cover picture is
//! still a film. What is encrypted, or contradicts itself, is a fault.

use bytes::Bytes;

use super::entry::Entry;
use super::read::{Body, needed, once};
use super::table::{Parts, Table};
use super::{Fault, FourCc, Wrong, edit, entry};
use crate::proto::hls::track::{Edit, Language, Matrix, Timescale, Track};

/// The most tracks that a movie may have. Discs with all their languages have some forty.
pub const MAX_TRACKS: usize = 256;

/// What `moov` says.
#[derive(Clone, Debug)]
pub struct Movie {
    /// What the times of the movie itself count.
    pub timescale: Timescale,
    /// The tracks that are understood, in the order of the file.
    pub tracks: Vec<MovieTrack>,
    /// Those that are not.
    pub skipped: Vec<Skipped>,
    /// Whether samples come in fragments (`mvex`), besides those of the tables or instead of them.
    pub fragmented: bool,
}

/// A track, and where its samples are.
#[derive(Clone, Debug)]
pub struct MovieTrack {
    /// The track.
    pub track: Track,
    /// Its samples, those in fragments apart.
    pub table: Table,
    /// What fragments do not say (`trex`).
    pub defaults: Defaults,
}

/// What a fragment does not say of its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Ticks until the next one.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Flags (section 8.8.3.1).
    pub flags: u32,
}

/// A track that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its number.
    pub id: u32,
    /// Who handles it: `vide`, `soun`, `text`.
    pub handler: FourCc,
    /// How it is coded.
    pub coding: FourCc,
    /// What fragments do not say of it.
    pub defaults: Defaults,
}

impl Movie {
    /// Reads the box `moov`, which is at byte `at` of the file.
    ///
    /// # Errors
    /// When a box is missing, too short or twice there, a table contradicts another or its own bytes, samples are encrypted or in
    /// another file, and when an edit list does more than to move the media.
    pub fn read(at: u64, moov: Bytes) -> Result<Self, Fault> {
        let body = Body::of_box(at, moov)?;
        let name = body.name;
        if name.0 != *b"moov" {
            return Err(Wrong::Missing { name: FourCc(*b"moov"), around: name }.at(at));
        }
        let (mut mvhd, mut mvex, mut traks) = (None, None, Vec::new());
        let mut boxes = body.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"mvhd" => once(&mut mvhd, inside)?,
                b"mvex" => once(&mut mvex, inside)?,
                b"trak" if traks.len() == MAX_TRACKS => return Err(inside.fault(Wrong::Tracks(MAX_TRACKS))),
                b"trak" => traks.push(inside),
                _ => {}
            }
        }
        let (timescale, _) = times(needed(mvhd, b"mvhd", name, at)?)?;
        let fragmented = mvex.is_some();
        let defaults = mvex.map(trex).transpose()?.unwrap_or_default();
        let mut movie = Self { timescale, tracks: Vec::new(), skipped: Vec::new(), fragmented };
        for trak in traks {
            movie.add(trak, &defaults)?;
        }
        Ok(movie)
    }

    /// The track with that number.
    #[must_use]
    pub fn track(&self, id: u32) -> Option<&MovieTrack> {
        self.tracks.iter().find(|track| track.track.id == id)
    }

    fn add(&mut self, trak: Body, defaults: &[(u32, Defaults)]) -> Result<(), Fault> {
        let (name, at) = (trak.name, trak.at());
        let (mut tkhd, mut mdia, mut edts) = (None, None, None);
        let mut boxes = trak.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"tkhd" => once(&mut tkhd, inside)?,
                b"mdia" => once(&mut mdia, inside)?,
                b"edts" => once(&mut edts, inside)?,
                _ => {}
            }
        }
        let (id, matrix) = track_head(needed(tkhd, b"tkhd", name, at)?)?;
        if self.track(id).is_some() || self.skipped.iter().any(|skipped| skipped.id == id) {
            return Err(Wrong::Value { name, field: "track_ID", value: i64::from(id) }.at(at));
        }
        let defaults = defaults.iter().find(|(track, _)| *track == id).map(|(_, defaults)| *defaults);
        let defaults = defaults.unwrap_or_default();
        let media = Media::read(needed(mdia, b"mdia", name, at)?)?;
        let (entry, table) = match media.coding {
            Coding::Known(known) => (known.0, known.1),
            Coding::Unknown(coding) => {
                self.skipped.push(Skipped { id, handler: media.handler, coding, defaults });
                return Ok(());
            }
        };
        let elst = edts.map(|edts| edts.boxes().find(b"elst")).transpose()?.flatten();
        let edit = match elst {
            Some(elst) => edit::read(elst, self.timescale, media.timescale)?,
            None => Edit::default(),
        };
        let track = Track {
            id,
            timescale: media.timescale,
            config: entry.config,
            in_band: entry.in_band,
            shape: entry.shape,
            matrix,
            language: media.language,
            edit,
            extensions: entry.extensions,
        };
        self.tracks.push(MovieTrack { track, table, defaults });
        Ok(())
    }
}

/// What `mdia` says.
struct Media {
    timescale: Timescale,
    language: Language,
    handler: FourCc,
    coding: Coding,
}

enum Coding {
    Known(Box<(Entry, Table)>),
    Unknown(FourCc),
}

impl Media {
    fn read(mdia: Body) -> Result<Self, Fault> {
        let (name, at) = (mdia.name, mdia.at());
        let (mut mdhd, mut hdlr, mut minf) = (None, None, None);
        let mut boxes = mdia.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"mdhd" => once(&mut mdhd, inside)?,
                b"hdlr" => once(&mut hdlr, inside)?,
                b"minf" => once(&mut minf, inside)?,
                _ => {}
            }
        }
        let (timescale, mut rest) = times(needed(mdhd, b"mdhd", name, at)?)?;
        let language = Language::from_packed(rest.u16()?);
        let mut hdlr = needed(hdlr, b"hdlr", name, at)?;
        hdlr.skip(8)?;
        let handler = hdlr.fourcc()?;
        let coding = Coding::read(needed(minf, b"minf", name, at)?, timescale)?;
        Ok(Self { timescale, language, handler, coding })
    }
}

impl Coding {
    fn read(minf: Body, timescale: Timescale) -> Result<Self, Fault> {
        let (name, at) = (minf.name, minf.at());
        let (mut dinf, mut stbl) = (None, None);
        let mut boxes = minf.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"dinf" => once(&mut dinf, inside)?,
                b"stbl" => once(&mut stbl, inside)?,
                _ => {}
            }
        }
        let stbl = needed(stbl, b"stbl", name, at)?;
        let (name, at) = (stbl.name, stbl.at());
        let (mut stsd, mut parts) = (None, Parts::default());
        let mut boxes = stbl.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"stsd" => once(&mut stsd, inside)?,
                _ => parts.keep(inside)?,
            }
        }
        let entry = match entry::read(needed(stsd, b"stsd", name, at)?, timescale)? {
            Ok(entry) => entry,
            Err(coding) => return Ok(Self::Unknown(coding)),
        };
        if let Some(dinf) = dinf {
            here(dinf, entry.reference)?;
        }
        Ok(Self::Known(Box::new((entry, parts.table(name, at)?))))
    }
}

/// The timescale of `mvhd` and `mdhd`, and what follows their durations.
fn times(mut body: Body) -> Result<(Timescale, Body), Fault> {
    let (version, _) = body.full(1)?;
    body.by_version(version)?;
    body.by_version(version)?;
    let at = body.at();
    let ticks = body.u32()?;
    let wrong = Wrong::Value { name: body.name, field: "timescale", value: i64::from(ticks) };
    let timescale = Timescale::new(ticks).ok_or_else(|| wrong.at(at))?;
    body.by_version(version)?;
    Ok((timescale, body))
}

/// The number of a track, and how its pictures are shown, from `tkhd`.
fn track_head(mut tkhd: Body) -> Result<(u32, Matrix), Fault> {
    let (version, _) = tkhd.full(1)?;
    tkhd.by_version(version)?;
    tkhd.by_version(version)?;
    let at = tkhd.at();
    let id = tkhd.u32()?;
    if id == 0 {
        return Err(Wrong::Value { name: tkhd.name, field: "track_ID", value: 0 }.at(at));
    }
    tkhd.skip(4)?;
    tkhd.by_version(version)?;
    tkhd.skip(16)?;
    let mut matrix = Matrix::UNITY;
    for value in &mut matrix.0 {
        *value = tkhd.i32()?;
    }
    Ok((id, matrix))
}

/// That the data reference of that number, from 1, is to this very file.
fn here(dinf: Body, reference: u16) -> Result<(), Fault> {
    let Some(mut dref) = dinf.boxes().find(b"dref")? else { return Ok(()) };
    dref.full(0)?;
    dref.skip(4)?;
    let mut boxes = dref.boxes();
    for number in 1..=reference {
        let Some(mut entry) = boxes.next()? else { return Ok(()) };
        let at = entry.at();
        let (_, flags) = entry.full(u8::MAX)?;
        if number == reference && flags & 1 == 0 {
            return Err(Wrong::Elsewhere.at(at));
        }
    }
    Ok(())
}

/// The defaults in `mvex`, by track. Each has some bytes in the file, and so the list is as long as what was read allows.
fn trex(mvex: Body) -> Result<Vec<(u32, Defaults)>, Fault> {
    let (mut all, mut boxes) = (Vec::new(), mvex.boxes());
    while let Some(mut inside) = boxes.next()? {
        if inside.name.0 != *b"trex" {
            continue;
        }
        inside.full(0)?;
        let id = inside.u32()?;
        inside.skip(4)?;
        let (duration, size, flags) = (inside.u32()?, inside.u32()?, inside.u32()?);
        all.push((id, Defaults { duration, size, flags }));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
