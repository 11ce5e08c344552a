//! What a client needs when servers fail: how long to wait, whether to try again, and whom to ask.
//!
//! Each part is a small pure state: no clock, no task, no waiting. Time is an argument, and chance comes from a seed, so that
//! an hour of outage is a table in a test. Where calls of many tasks share a part, a handle with clones stands around the
//! state. None of them knows a protocol: the caller says what a failure means.
//!
//! In each part a `Policy` is what an operator decides.

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod ewma;
pub mod hedge;
pub mod pick;
pub mod retry;
mod window;
