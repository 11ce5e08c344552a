//! `wireworks hls`, as its users meet it.

mod origin;
mod player;
