//! `wireworks hls`, as its users meet it.

mod package;
