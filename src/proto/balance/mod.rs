//! The decisions of a load balancer: which route a request takes, which backend is healthy, and which backend a client returns to.
//!
//! Everything here is a state machine or a function without clock, randomness or sockets: times and random numbers are arguments. How one of the
//! available backends is chosen is in `net::resilience::pick`, as other clients need it too.

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
