//! The commands of `wireworks hls`.

pub mod check;
