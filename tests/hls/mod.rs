//! `wireworks hls`, as its users meet it.

mod live;
mod origin;
mod player;
