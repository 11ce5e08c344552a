//! The HTTP/1.1 server over real sockets, point by point of the checklist in `docs/http.md`: a file a chapter.

mod checklist;
mod client_certificates;
mod conditional;
mod connection;
mod expect;
mod fields;
mod file_reply;
mod files;
mod framing;
mod limits;
mod own_server;
mod ranges;
mod request_line;
mod responses;
mod server;
mod shutdown;
mod tower;
mod transport;
mod ways;
