//! `wireworks hls live` over sockets: feeds of all kinds in, playlists and segments out.

mod checked;
mod cmaf;
mod faults;
mod latency;
mod page;
mod recording;
mod stage;
mod ways;
