//! Calls over a network that fails: simulated, in virtual time, the same every time by its seed.
//!
//! What a link does is turmoil's: it delays, holds back (a black hole: nobody is told), loses (a partition: what was under way never arrives,
//! and connecting fails at once). Hosts crash and are started again. What is asserted is what callers are promised: every call ends, in
//! time, with a status that is true; what may not be done twice is not; and a channel is never broken for good. `FUZZ_ROUNDS` is how many times as
//! many seeds are tried.

mod chaos;
mod endpoints;
mod faults;
mod flow;
mod outage;
mod streams;
mod world;
