//! The load balancer: distributes requests and TCP connections of clients over backends.
//!
//! A *call* in these modules is what a backend is chosen for: a request of HTTP, or a whole connection in TCP mode. An *upstream* is a group of interchangeable
//! backends, and its *members* are those backends and their settings at one moment.

pub mod acme;
pub mod admin;
pub mod agent;
mod assemble;
pub mod auth;
pub mod backend;
pub mod balancer;
pub mod cache;
pub mod check;
pub mod command;
pub mod config;
pub mod connections;
pub mod counters;
pub mod ctl;
pub mod dial;
pub mod discovery;
mod doors;
pub mod fuse;
pub mod gateway;
pub mod guards;
pub mod lease;
pub mod log;
pub mod probe;
pub mod redis;
pub mod reload;
pub mod route_counters;
pub mod spans;
pub mod tcp;
pub mod upstream;
pub mod vitals;
