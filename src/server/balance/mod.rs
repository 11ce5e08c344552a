//! The load balancer: connections and requests of clients, handed to one of several backends.

pub mod backend;
pub mod balancer;
pub mod check;
pub mod command;
pub mod config;
pub mod connections;
pub mod counters;
pub mod gateway;
pub mod tcp;
pub mod upstream;
pub mod vitals;
