//! `wireworks hls`, as its users meet it.

mod access;
mod encoder;
mod origin;
mod player;
mod rtmp;
mod upload;
