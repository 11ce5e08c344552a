//! `wireworks hls`, as its users meet it.

mod check;
mod live;
mod origin;
mod package;
mod player;
