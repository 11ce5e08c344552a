//! The load balancer: connections and requests of clients, handed to one of several backends.

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
pub mod tcp;
pub mod upstream;
pub mod vitals;
