//! `wireworks hls`, as its users meet it.

mod access;
mod check;
mod encoder;
mod gstreamer;
mod latency;
mod live;
mod origin;
mod package;
mod player;
mod rtmp;
mod switches;
mod upload;
