//! The fuzz targets' way to the checkers, which stand with the tests: `tests/fuzz/checks`.

#[path = "../../tests/fuzz/checks/mod.rs"]
mod checks;

/// Bytes of a client's connection.
pub fn head(data: &[u8]) {
    checks::head::check(data);
}

/// Bytes of a server's connection, in answer to a client.
pub fn response(data: &[u8]) {
    checks::response::check(data);
}

/// What a server answers to a request.
pub fn exchange(data: &[u8]) {
    checks::exchange::check(data);
}

/// A chunked body.
pub fn chunked(data: &[u8]) {
    checks::chunked::check(data);
}

/// A form.
pub fn multipart(data: &[u8]) {
    checks::multipart::check(data);
}

/// Ranges, preconditions and negotiation.
pub fn range(data: &[u8]) {
    checks::range::check(data);
}

/// A PROXY header.
pub fn proxy(data: &[u8]) {
    checks::proxy::check(data);
}

/// The beginning of a connection that may be TLS.
pub fn client_hello(data: &[u8]) {
    checks::client_hello::check(data);
}

/// The path of a file.
pub fn path(data: &[u8]) {
    checks::path::check(data);
}

/// Lines of IRC.
pub fn irc(data: &[u8]) {
    checks::irc::check(data);
}

/// Configurations and headers of codecs.
pub fn hls_codec(data: &[u8]) {
    checks::hls_codec::check(data);
}

/// A file of MP4.
pub fn hls_mp4(data: &[u8]) {
    checks::hls_mp4::check(data);
}

/// RTMP behind its handshake.
pub fn rtmp(data: &[u8]) {
    checks::rtmp::check(data);
}

/// A transport stream.
pub fn hls_ts(data: &[u8]) {
    checks::hls_ts::check(data);
}

/// A playlist.
pub fn hls_playlist(data: &[u8]) {
    checks::hls_playlist::check(data);
}

/// Pieces of what a player chose.
pub fn hls_remux(data: &[u8]) {
    checks::hls_remux::check(data);
}

/// Versions of a playlist, or segments, as they are checked.
pub fn hls_check(data: &[u8]) {
    checks::hls_check::check(data);
}

/// What a live rendition is fed, as decisions.
pub fn hls_live(data: &[u8]) {
    checks::hls_live::check(data);
}

/// Frames of an RPC connection.
pub fn rpc_frame(data: &[u8]) {
    checks::rpc_frame::check(data);
}

/// The same, heard by a client that has made calls.
pub fn rpc_answer(data: &[u8]) {
    checks::rpc_frame::check_answers(data);
}

/// Frames of a WebSocket, at either end.
pub fn ws_frame(data: &[u8]) {
    checks::ws::frame::check(data);
}

/// Messages of a WebSocket, compressed.
pub fn ws_message(data: &[u8]) {
    checks::ws::message::check(data);
}

/// A request for a WebSocket.
pub fn ws_handshake(data: &[u8]) {
    checks::ws::handshake::check(data);
}

/// Frames of a WebSocket, and what tungstenite makes of them.
pub fn ws_differential(data: &[u8]) {
    checks::ws::differential::check(data);
}

/// A message of a call, with the description of its type.
pub fn rpc_payload(data: &[u8]) {
    checks::rpc_payload::check(data);
}

/// A message of SASL.
pub fn sasl(data: &[u8]) {
    checks::sasl::check(data);
}

/// Bencode.
pub fn share_bencode(data: &[u8]) {
    checks::share::bencode::check(data);
}

/// The metainfo of a torrent, or the decisions by which one is made.
pub fn share_metainfo(data: &[u8]) {
    checks::share::metainfo::check(data);
}

/// Bytes of a connection between peers of BitTorrent.
pub fn share_wire(data: &[u8]) {
    checks::share::wire::check(data);
}

/// A handshake of message stream encryption.
pub fn share_mse(data: &[u8]) {
    checks::share::mse::check(data);
}

/// A datagram of the DHT.
pub fn share_krpc(data: &[u8]) {
    checks::share::krpc::check(data);
}

/// What a tracker of BitTorrent says, or what it hears.
pub fn share_tracker(data: &[u8]) {
    checks::share::tracker::check(data);
}

/// Packets of uTP, or decisions of the network that they cross.
pub fn share_utp(data: &[u8]) {
    checks::share::utp::check(data);
}

/// A magnet link.
pub fn share_magnet(data: &[u8]) {
    checks::share::magnet::check(data);
}

/// A request of Transmission's RPC.
pub fn share_transmission(data: &[u8]) {
    checks::share::transmission::check(data);
}

/// An announcement on the local network.
pub fn share_lsd(data: &[u8]) {
    checks::share::lsd::check(data);
}

/// Messages that are hashed together.
pub fn share_lanes(data: &[u8]) {
    checks::share::lanes::check(data);
}
