//! Bytes made before the load begins: frames as a client sends them, and as every server must send them back.
//!
//! Binary, so that the figures are those of framing and masking; what the check of text costs is in `benches/micro`.

/// A final binary frame.
const BINARY: u8 = 0x82;

/// A message of `size` bytes, at least one, whose first byte is `mark`.
pub(crate) fn message(size: usize, mark: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    bytes[0] = mark;
    bytes
}

/// A message as a client sends it, under a mask of its own.
pub(crate) fn masked(message: &[u8]) -> Vec<u8> {
    let mut frame = head(message.len());
    frame[1] |= 0x80;
    let key = fastrand::u32(1 << 24..).to_be_bytes();
    frame.extend(key);
    frame.extend(message.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A message as a server sends it.
pub(crate) fn plain(message: &[u8]) -> Vec<u8> {
    let mut frame = head(message.len());
    frame.extend(message);
    frame
}

fn head(length: usize) -> Vec<u8> {
    let mut head = vec![BINARY];
    match length {
        0..=125 => head.push(length as u8),
        126..=0xffff => {
            head.push(126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}
