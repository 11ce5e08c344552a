//! Media that are whole, cut into segments: what is computed of them, without a byte of a sample.
//!
//! [`samples`] are the samples of a track, by the tables of an MP4 or by an [`index`] that was made in one pass. [`scan`] finds where a track can be cut, [`layout`] is
//! a rendition with its cuts, and [`fmp4`] lays out the fragments of its segments. [`language`] has the tags of languages that playlists want.

pub mod fmp4;
pub mod index;
pub mod language;
pub mod layout;
pub mod samples;
pub mod scan;

#[cfg(test)]
mod tests;
