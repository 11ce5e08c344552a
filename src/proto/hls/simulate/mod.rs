//! Adaptive bitrate in virtual time: a player with a buffer, a network by a trace, and what came of it.
//!
//! The steps are those of Sabre, the simulator of "From Theory to Practice: Improving Bitrate Adaptation in the DASH Reference Player" (MMSys 2018), in the version with which its figures were made:
//!
//! 1. The first segment is asked for in the quality that the algorithm names for it, and plays as soon as it is whole.
//! 2. While a segment would not fit into the buffer, nothing is asked for.
//! 3. The algorithm chooses a quality and a delay; the delay passes.
//! 4. The segment is asked for: its latency, then its bits. The algorithm may give it up, and is then asked anew, with nothing learned from what had come.
//! 5. The buffer plays during that time, or stalls.
//!
//! After the last segment the buffer plays to its end. Time and sizes are `f64`, and computed in the same order, so that figures agree digit by digit.

mod buffer;
mod link;
mod manifest;
mod network;
mod outcome;
mod reaction;
mod session;
mod trace;

#[cfg(test)]
mod tests;

pub use link::Link;
pub use manifest::{Manifest, ManifestError};
pub use network::{Change, Look, Network};
pub use outcome::{Outcome, Weights};
pub use session::{Settings, Step, run, run_with};
pub use trace::{LATENCY, Period, Trace, TraceError};
