//! The rules of a shared HTTP cache: RFC 9111, with RFC 5861 (stale content) and RFC 8246 (`immutable`).
//!
//! Each module is one question, in the order in which a cache asks them. [`control`] reads `Cache-Control`. [`storing`] says whether a response
//! may be stored, [`freshness`] for how long it is fresh and how old it is, [`vary`] which requests it answers, [`reuse`] whether it may answer
//! one now, [`validation`] how the origin is asked whether it still holds, [`invalidation`] what a change makes worthless, and [`status`] writes
//! down what was done (RFC 9211). Nothing is stored here: times are arguments, and heads come in and go out as lists of fields.

pub mod control;
pub mod freshness;
pub mod invalidation;
pub mod reuse;
pub mod status;
pub mod storing;
pub mod validation;
pub mod vary;
