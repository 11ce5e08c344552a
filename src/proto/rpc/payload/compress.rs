//! Messages made smaller by zstd (section "Messages").

use std::cell::RefCell;
use std::io::{self, Read};

use bytes::Bytes;
use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;

use super::PayloadError;

/// The number of zstd among the compressions.
pub const ZSTD: u32 = 0;

/// How hard to try: the quickest of zstd's levels, which makes text a third or a fourth of what it was at some 500 MB/s.
const LEVEL: i32 = 1;

/// Bytes that are decompressed at a time.
const STEP: usize = 32 * 1024;

/// The smallest window that a limit is given, as a power of two: zstd's own encoders make none that is smaller.
const LEAST_WINDOW: u32 = 10;

/// The largest, which takes 128 MiB.
const MOST_WINDOW: u32 = 27;

thread_local! {
    /// Its tables are large: they are kept for the next message of this thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// The message as one zstd frame; `None` if it does not become smaller by it.
#[must_use]
pub fn compress(message: &[u8]) -> Option<Bytes> {
    let mut compressed = COMPRESSOR.with_borrow_mut(|known| {
        if known.is_none() {
            *known = Compressor::new(LEVEL).ok();
        }
        known.as_mut()?.compress(message).ok()
    })?;
    compressed.shrink_to_fit(); // it was made for the worst case, and may have to wait
    (compressed.len() < message.len()).then(|| compressed.into())
}

/// Whether the message that one zstd frame is may have `length` bytes and more. Of a frame that does not announce its message's length it is not known before it is
/// decompressed; one that has more than it announces is not [decompressed](decompress).
#[must_use]
pub fn may_reach(frame: &[u8], length: usize) -> bool {
    frame.len() >= length || announced(frame).is_none_or(|announced| announced >= length as u64)
}

/// The length that a frame announces; of what is no frame, 0.
fn announced(frame: &[u8]) -> Option<u64> {
    zstd::zstd_safe::get_frame_content_size(frame).unwrap_or(Some(0))
}

/// The message that one zstd frame is. It takes memory as it grows, whatever the frame announces.
///
/// # Errors
/// It would have more than `limit` bytes, or has more than it announces, or needs a window of more than that, or this is no zstd frame or more than one.
pub fn decompress(frame: &[u8], limit: usize) -> Result<Bytes, PayloadError> {
    let malformed = |error: io::Error| PayloadError::Malformed(format!("it is not zstd: {error}").into());
    let mut decoder = Decoder::with_buffer(frame).map_err(malformed)?.single_frame();
    let window = limit.min(1 << MOST_WINDOW).next_power_of_two().trailing_zeros().max(LEAST_WINDOW);
    decoder.window_log_max(window).map_err(malformed)?;
    let announced = announced(frame).and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let mut message = Vec::new();
    loop {
        let step = STEP.min(limit.min(announced).saturating_add(1) - message.len());
        let read = decoder.by_ref().take(step as u64).read_to_end(&mut message).map_err(malformed)?;
        if message.len() > limit {
            return Err(PayloadError::TooLarge { length: message.len(), limit });
        }
        if message.len() > announced {
            return Err(PayloadError::Malformed("it is longer than it announces".into()));
        }
        if read == 0 {
            break;
        }
    }
    match decoder.finish().len() {
        0 => Ok(message.into()),
        left => Err(PayloadError::LeftOver(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_smaller_comes_back() {
        for size in [64, 1_000, 100_000, 1 << 20] {
            let message: Vec<u8> = (0..size).map(|n: usize| (n / 40) as u8).collect();
            let frame = compress(&message).unwrap();
            assert!(frame.len() < size);
            assert_eq!(decompress(&frame, size).unwrap(), message);
            let error = decompress(&frame, size - 1).unwrap_err();
            assert!(
                matches!(error, PayloadError::TooLarge { length, limit } if length == size && limit == size - 1),
                "{error}"
            );
        }
    }

    #[test]
    fn the_length_of_a_message_is_known_from_its_frame_if_it_says_so() {
        for (size, length, may) in [(999, 1000, false), (1000, 1000, true), (100_000, 1000, true)] {
            let frame = compress(&vec![b'a'; size]).unwrap();
            assert!(frame.len() < 100);
            assert_eq!(may_reach(&frame, length), may, "{size}");
        }
        // A stream says nothing of it.
        let silent = zstd::stream::encode_all(&[b'a'; 1000][..], LEVEL).unwrap();
        assert!(may_reach(&silent, 1 << 20));
        assert_eq!(decompress(&silent, 1 << 20).unwrap(), vec![b'a'; 1000]);
        assert!(!may_reach(b"no frame", 1000) && may_reach(b"no frame", 8));
    }

    #[test]
    fn a_frame_that_announces_less_than_it_has_is_stopped_there() {
        let mut frame = compress(&vec![b'a'; 60_000]).unwrap().to_vec();
        // A magic number of four bytes, a byte that says how long the next field is, and the length less 256 (RFC 8878, section 3.1.1.1).
        assert_eq!((frame[4] >> 6, u16::from_le_bytes([frame[5], frame[6]])), (1, 60_000 - 256));
        frame[6] = 1;
        let error = decompress(&frame, 1 << 20).unwrap_err();
        assert!(matches!(error, PayloadError::Malformed(_)), "{error}");
    }

    #[test]
    fn no_limit_is_none() {
        let frame = compress(&[b'a'; 1000]).unwrap();
        assert_eq!(decompress(&frame, usize::MAX).unwrap(), vec![b'a'; 1000]);
    }

    #[test]
    fn what_does_not_is_left() {
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(10_000).collect();
        assert_eq!(compress(&noise), None);
        assert_eq!(compress(b""), None);
        assert_eq!(compress(b"short"), None);
    }

    #[test]
    fn a_small_frame_that_becomes_large_is_stopped_at_the_limit() {
        let bomb = compress(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 10_000);
        let error = decompress(&bomb, 1 << 20).unwrap_err();
        // By the limit, or because it wants a window of more than that.
        assert!(matches!(error, PayloadError::TooLarge { .. } | PayloadError::Malformed(_)), "{error}");
    }

    #[test]
    fn anything_but_one_whole_frame_is_refused() {
        let frame = compress(&[b'a'; 1000]).unwrap();
        for (name, bytes) in [
            ("nothing", Vec::new()),
            ("text", b"hello, hello".to_vec()),
            ("cut", frame[..frame.len() - 1].to_vec()),
        ] {
            let error = decompress(&bytes, 10_000).unwrap_err();
            assert!(matches!(error, PayloadError::Malformed(_)), "{name}: {error}");
        }
        let two = [&frame[..], &frame].concat();
        assert_eq!(decompress(&two, 10_000), Err(PayloadError::LeftOver(frame.len())));
        assert_eq!(decompress(&[&frame[..], b"x"].concat(), 10_000), Err(PayloadError::LeftOver(1)));
    }
}
