//! The load balancer: connections and requests of clients, handed to one of several backends.

mod assemble;
pub mod backend;
pub mod balancer;
pub mod check;
pub mod command;
pub mod config;
pub mod connections;
pub mod counters;
mod doors;
pub mod gateway;
pub mod guards;
pub mod log;
pub mod reload;
pub mod tcp;
pub mod upstream;
pub mod vitals;
