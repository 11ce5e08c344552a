//! Media that are whole: opened once, and cut into segments wherever somebody asks.
//!
//! A [`Media`] is an opened input: tracks, and where their samples are. A [`Presentation`] is a plan of renditions that are cut at the same times; nothing of the
//! samples has been read for it. A [`Rendition`] gives its playlist, its initialization section, and the bytes of any of its segments.
//! All of it waits for files or for other servers, so it belongs on the blocking lane.

mod copy;
mod era;
mod error;
mod media;
mod plan;
mod presentation;
mod remote;
mod rendition;
mod source;
mod stream;
mod transport;

pub use self::error::{MediaError, PlanError, SegmentError};
pub use self::media::{Content, Era, Input, Media, MediaTrack, Role};
pub use self::plan::{Format, INIT_NAME, Settings, Sound, TARGET};
pub use self::presentation::{I_FRAME_PLAYLIST, MEDIA_PLAYLIST, Measured, Presentation};
pub use self::rendition::{About, Kind, Rendition, Writer, Written};
pub use self::source::Source;
