//! A live presentation, made while it happens (draft-pantos-hls-rfc8216bis sections 6.2.2 and 6.2.5): pure, time comes in as an argument.
//!
//! [`feed`] is what a source gives.

pub mod feed;
