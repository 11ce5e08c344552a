//! What a load balancer decides: which route a request takes, which backend is well, and whom a client returns to.
//!
//! Everything here is a state or a function without clock, chance or socket, like a protocol: time and random numbers are arguments. How a backend is
//! chosen among those that are well stands in `net::resilience::pick`, as other clients need it too.

pub mod agent;
pub mod discovery;
pub mod edit;
pub mod health;
pub mod normal;
pub mod outlier;
pub mod rewrite;
pub mod route;
pub mod split;
pub mod sticky;
pub mod template;
pub mod tls_route;
