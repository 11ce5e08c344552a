//! `wireworks hls`, as its users meet it.

mod check;
