//! MP4, that is the ISO base media file format (ISO/IEC 14496-12), read and written as HLS needs it.
//!
//! Reading: [`walk`] finds the boxes of a file by asking for ranges of it, [`movie`] reads what `moov` says of the tracks, and [`table`]
//! gives their samples straight from the bytes of its tables. [`fragment`] reads `moof`, and [`push`] does all of it for bytes that
//! arrive. Writing: [`init`] makes the initialization segment of CMAF (ISO/IEC 23000-19), [`chunk`] the heads of its fragments, and [`segment`] the
//! boxes around them; [`message`] reads and writes events. The bytes of samples are never copied here: readers say where they are, and writers write what stands in front of them.
//!
//! Boxes lie in boxes, but nothing here is recursive: each reader knows which boxes it looks into, and those are all.

pub mod chunk;
mod edit;
mod entry;
pub mod error;
mod esds;
pub mod fourcc;
pub mod fragment;
pub mod init;
pub mod message;
pub mod movie;
pub mod push;
mod read;
pub mod segment;
pub mod table;
pub mod walk;
mod write;

#[cfg(test)]
mod tests;

pub use error::{Fault, Wrong};
pub use fourcc::FourCc;
