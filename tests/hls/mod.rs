//! `wireworks hls`, as its users meet it.

mod check;
mod origin;
mod package;
mod player;
