//! The languages inside the containers: what a decoder must know before the first sample, and where a sample begins and ends.
//!
//! Each coding has a `Config`: plain data that is read from the record which MP4 holds (`avcC`, `hvcC`, `av1C`,
//! AudioSpecificConfig, `dOps`, `dac3`, `dec3`) or gathered from the stream itself, is written as that record again, and gives the
//! string of RFC 6381 that a playlist's `CODECS` attribute names. No sample is decoded here: only parameter sets and headers are read.

pub mod aac;
pub mod ac3;
pub mod access;
pub mod adts;
pub mod av1;
pub mod avc;
pub mod avc_sps;
pub mod bits;
pub mod eac3;
mod error;
pub mod hevc;
pub mod hevc_sps;
pub mod hevc_vps;
pub mod id3;
pub mod nal;
pub mod opus;
mod picture;
pub mod webvtt;

pub use error::Error;
pub use picture::{Colour, Ratio};
