//! Boxes being written: a head whose size is filled in when the inside is there (ISO/IEC 14496-12 section 4.2).

use bytes::{BufMut, BytesMut};

/// Appends a box of what `inside` appends.
pub(super) fn boxed(out: &mut BytesMut, name: &[u8; 4], inside: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(name);
    inside(out);
    // Sizes are of boxes without the bytes of samples: what a movie says about itself is far below 4 GiB.
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends a box with a version and flags.
pub(super) fn full(
    out: &mut BytesMut,
    name: &[u8; 4],
    version: u8,
    flags: u32,
    inside: impl FnOnce(&mut BytesMut),
) {
    boxed(out, name, |out| {
        out.put_u32(u32::from(version) << 24 | flags & 0x00ff_ffff);
        inside(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_filled_in() {
        let mut out = BytesMut::from(&b"before"[..]);
        boxed(&mut out, b"aaaa", |out| {
            full(out, b"bbbb", 1, 0xff00_0002, |out| out.put_slice(b"xyz"));
            boxed(out, b"cccc", |_| {});
        });
        let expected = b"before\0\0\0\x1faaaa\0\0\0\x0fbbbb\x01\0\0\x02xyz\0\0\0\x08cccc";
        assert_eq!(&out[..], expected);
    }
}
