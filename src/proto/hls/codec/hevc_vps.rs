//! The video parameter set of H.265 (ITU-T H.265 section 7.3.2.1), for the one thing that a sequence parameter set may leave to it: how
//! often there is a picture.

use super::bits::{Bits, rbsp};
use super::hevc_sps::{Profile, skip_sub_layers};
use super::{Error, Ratio};

const WHAT: &str = "H.265 video parameter set";

/// Frames a second as a NAL unit of type 32 tells them, with its header of two bytes; `None` when it does not.
///
/// # Errors
/// What is cut short or out of its range.
pub fn frame_rate(nal: &[u8]) -> Result<Option<Ratio>, Error> {
    let payload = rbsp(nal);
    let mut bits = Bits::new(WHAT, &payload);
    bits.skip(16 + 4 + 2 + 6)?;
    let sub_layers = bits.small(3)?;
    if sub_layers > 6 {
        return Err(bits.wrong("vps_max_sub_layers_minus1", sub_layers.into()));
    }
    bits.skip(1 + 16)?; // vps_temporal_id_nesting_flag, sixteen ones
    Profile::parse(&mut bits)?;
    skip_sub_layers(&mut bits, sub_layers)?;
    for _ in if bits.flag()? { 0 } else { sub_layers }..=sub_layers {
        for _ in 0..3 {
            bits.ue()?;
        }
    }
    let layers = bits.read(6)? as usize + 1;
    let sets = bits.ue_upto("vps_num_layer_sets_minus1", 1023)? as usize;
    bits.skip(sets * layers)?;
    if !bits.flag()? {
        return Ok(None);
    }
    let (ticks, scale) = (bits.read(32)?, bits.read(32)?);
    Ok(Ratio::new(scale.into(), ticks.into()))
}

#[cfg(test)]
mod tests {
    use super::super::bits::{BitWriter, escape};
    use super::*;

    fn write(sub_layers: u32, sets: u32, timing: Option<(u32, u32)>) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.put(0x4001, 16);
        out.put(0x0c0, 12);
        out.put(sub_layers << 1 | 1, 4);
        out.put(0xffff, 16);
        [0x0160_0000, 0x0090_0000, 0x0000_003c].into_iter().for_each(|word| out.put(word, 32));
        if sub_layers > 0 {
            out.put(0b01 << 14, 16);
            out.put(60, 8);
        }
        out.put(0, 1);
        (0..3).for_each(|_| out.put_ue(4));
        out.put(1, 6);
        out.put_ue(sets);
        (0..sets).for_each(|_| out.put(0b11, 2));
        out.put(u32::from(timing.is_some()), 1);
        if let Some((ticks, scale)) = timing {
            out.put(ticks, 32);
            out.put(scale, 32);
            out.put(0, 1);
        }
        out.put(0b01, 2);
        escape(&out.finish())
    }

    #[test]
    fn rates() {
        for sub_layers in [0, 1] {
            for sets in [0, 3] {
                for (timing, rate) in [
                    (None, None),
                    (Some((1, 25)), Some((25, 1))),
                    (Some((1001, 60_000)), Some((60_000, 1001))),
                    (Some((0, 25)), None),
                ] {
                    let nal = write(sub_layers, sets, timing);
                    let rate = rate.map(|(num, den)| Ratio { num, den });
                    assert_eq!(frame_rate(&nal), Ok(rate), "{sub_layers} {sets} {timing:?}");
                }
            }
        }
        let nal = write(0, 2, Some((1001, 60_000)));
        for end in 0..nal.len() - 1 {
            assert!(matches!(frame_rate(&nal[..end]), Err(Error::Short { .. })), "{end}");
        }
        assert!(matches!(frame_rate(&write(7, 0, None)), Err(Error::Value { .. })));
    }

    #[test]
    fn what_x265_writes() {
        // It leaves the rate to the sequence parameter set.
        let nal = [
            0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
            0x00, 0x00, 0x03, 0x00, 0x3c, 0x95, 0x98, 0x09,
        ];
        assert_eq!(frame_rate(&nal), Ok(None));
    }
}
