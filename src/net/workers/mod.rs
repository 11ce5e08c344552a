//! Where work goes that a connection should not do itself: two lanes.
//!
//! [`Tasks`] is the async lane: tasks that wait (copies of requests, for one), each in a slot of a bounded number.
//! [`Blocking`] is the blocking lane: threads for work that does not wait (hashing, compression, the disk), behind a
//! bounded queue with priorities. In both a panic is counted and harms nothing else, and both end by being asked to.

mod blocking;
mod job;
mod stats;
mod tasks;

pub use self::blocking::{Blocking, BlockingConfig, Priority, QueueFull};
pub use self::job::{Cancelled, Job, JobError};
pub use self::stats::BlockingStats;
pub use self::tasks::{NoSlot, Slot, TaskStats, Tasks};
