//! WebSocket over real sockets, requirement by requirement of the chapter in `docs/websocket.md`: a file a section of RFC 6455, and one
//! for RFC 7692. The server is the library's, under a raw client; the client is the library's, against a raw server.

mod client;
mod closing;
mod codes;
mod control;
mod deflate;
mod extensions;
mod faults;
mod fragments;
mod frames;
mod handshake;
mod peer;
mod requirements;
mod security;
mod text;
mod ways;
