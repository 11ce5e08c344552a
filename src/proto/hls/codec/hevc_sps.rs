//! The sequence parameter set of H.265 (ITU-T H.265 section 7.3.2.2, and Annex E for its usability information).

use super::avc_sps::{colour, pixel_aspect};
use super::bits::{Bits, rbsp};
use super::{Colour, Error, Ratio};

const WHAT: &str = "H.265 sequence parameter set";

/// The general part of `profile_tier_level` (section 7.3.3): the same bits stand in the record `hvcC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Profile {
    /// `general_profile_space`.
    pub space: u8,
    /// `general_tier_flag`: the high tier.
    pub high_tier: bool,
    /// `general_profile_idc`.
    pub idc: u8,
    /// `general_profile_compatibility_flag` 0 to 31, the first one highest.
    pub compatibility: u32,
    /// The 48 bits of constraint flags behind them.
    pub constraints: u64,
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
}

impl Profile {
    /// Reads twelve bytes.
    pub(super) fn parse(bits: &mut Bits<'_>) -> Result<Self, Error> {
        let (space, high_tier, idc) = (bits.small(2)?, bits.flag()?, bits.small(5)?);
        let compatibility = bits.read(32)?;
        let constraints = u64::from(bits.read(32)?) << 16 | u64::from(bits.read(16)?);
        let level = bits.small(8)?;
        Ok(Self { space, high_tier, idc, compatibility, constraints, level })
    }
}

/// What a sequence parameter set says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `sps_seq_parameter_set_id`, 0 to 15.
    pub id: u8,
    /// `sps_max_sub_layers_minus1` + 1.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_nested: bool,
    /// Profile, tier and level.
    pub profile: Profile,
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma: u8,
    /// Bits of a luma sample.
    pub luma_depth: u8,
    /// Bits of a chroma sample.
    pub chroma_depth: u8,
    /// Width of what is shown, in pixels.
    pub width: u32,
    /// Height of what is shown, in pixels.
    pub height: u32,
    /// `sps_max_num_reorder_pics` of the highest layer.
    pub reorder: u8,
    /// The shape of a pixel, where it is given.
    pub pixel_aspect: Option<Ratio>,
    /// Colours, where they are given.
    pub colour: Option<Colour>,
    /// Frames a second, where timing is given.
    pub frame_rate: Option<Ratio>,
}

impl Sps {
    /// Reads a NAL unit of type 33, with its header of two bytes.
    ///
    /// # Errors
    /// What is cut short or out of its range.
    pub fn parse(nal: &[u8]) -> Result<Self, Error> {
        let payload = rbsp(nal);
        let mut bits = Bits::new(WHAT, &payload);
        bits.skip(16 + 4)?;
        let sub_layers = bits.small(3)?;
        if sub_layers > 6 {
            return Err(bits.wrong("sps_max_sub_layers_minus1", sub_layers.into()));
        }
        let temporal_nested = bits.flag()?;
        let profile = Profile::parse(&mut bits)?;
        skip_sub_layers(&mut bits, sub_layers)?;
        let id = bits.ue_upto("sps_seq_parameter_set_id", 15)? as u8;
        let chroma = bits.ue_upto("chroma_format_idc", 3)? as u8;
        let separate = chroma == 3 && bits.flag()?;
        let (width, height) = size(&mut bits, if separate { 0 } else { chroma })?;
        let luma_depth = bits.ue_upto("bit_depth_luma_minus8", 8)? as u8 + 8;
        let chroma_depth = bits.ue_upto("bit_depth_chroma_minus8", 8)? as u8 + 8;
        let order_bits = bits.ue_upto("log2_max_pic_order_cnt_lsb_minus4", 12)? + 4;
        let mut reorder = 0;
        for _ in if bits.flag()? { 0 } else { sub_layers }..=sub_layers {
            bits.ue()?;
            reorder = bits.ue_upto("sps_max_num_reorder_pics", 16)? as u8;
            bits.ue()?;
        }
        skip_tools(&mut bits, order_bits)?;
        let vui = if bits.flag()? { Vui::parse(&mut bits)? } else { Vui::default() };
        let Vui { pixel_aspect, colour, frame_rate } = vui;
        Ok(Self {
            id,
            temporal_layers: sub_layers + 1,
            temporal_nested,
            profile,
            chroma,
            luma_depth,
            chroma_depth,
            width,
            height,
            reorder,
            pixel_aspect,
            colour,
            frame_rate,
        })
    }
}

/// The rest of `profile_tier_level`: what differs in sub-layers.
pub(super) fn skip_sub_layers(bits: &mut Bits<'_>, count: u8) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    let present = bits.read(16)?;
    for layer in 0..u32::from(count) {
        if present >> (15 - layer * 2) & 1 == 1 {
            bits.skip(88)?;
        }
        if present >> (14 - layer * 2) & 1 == 1 {
            bits.skip(8)?;
        }
    }
    Ok(())
}

/// Width and height without what the conformance window crops.
fn size(bits: &mut Bits<'_>, chroma: u8) -> Result<(u32, u32), Error> {
    let (width, height) = (
        bits.ue_upto("pic_width_in_luma_samples", 1 << 20)?,
        bits.ue_upto("pic_height_in_luma_samples", 1 << 20)?,
    );
    let mut window = [0; 4];
    if bits.flag()? {
        for edge in &mut window {
            *edge = u64::from(bits.ue()?);
        }
    }
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let cropped =
        |size: u32, sum: u64, unit: u64| u64::from(size).checked_sub(sum * unit).filter(|size| *size > 0);
    let [left, right, top, bottom] = window;
    let Some(width) = cropped(width, left + right, unit_x) else {
        return Err(bits.wrong("conf_win_left_offset", left + right));
    };
    let Some(height) = cropped(height, top + bottom, unit_y) else {
        return Err(bits.wrong("conf_win_top_offset", top + bottom));
    };
    Ok((width as u32, height as u32))
}

/// From `log2_min_luma_coding_block_size_minus3` to `strong_intra_smoothing_enabled_flag`.
fn skip_tools(bits: &mut Bits<'_>, order_bits: u32) -> Result<(), Error> {
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    skip_reference_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue_upto("num_long_term_ref_pics_sps", 32)? {
            bits.skip(order_bits as usize + 1)?;
        }
    }
    bits.skip(2)
}

/// Section 7.3.4.
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Result<(), Error> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.flag()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _ in 0..(1 << (4 + 2 * size)).min(64) {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// The short-term reference picture sets (section 7.3.7), of which only the number of pictures of the one before matters.
fn skip_reference_sets(bits: &mut Bits<'_>) -> Result<(), Error> {
    let mut pictures = 0;
    for set in 0..bits.ue_upto("num_short_term_ref_pic_sets", 64)? {
        if set > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                if bits.flag()? || bits.flag()? {
                    kept += 1;
                }
            }
            pictures = kept;
        } else {
            pictures = bits.ue_upto("num_negative_pics", 16)? + bits.ue_upto("num_positive_pics", 16)?;
            for _ in 0..pictures {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
        if pictures > 16 {
            return Err(bits.wrong("NumDeltaPocs", pictures.into()));
        }
    }
    Ok(())
}

/// Video usability information (section E.2.1), as far as its timing.
#[derive(Default)]
struct Vui {
    pixel_aspect: Option<Ratio>,
    colour: Option<Colour>,
    frame_rate: Option<Ratio>,
}

impl Vui {
    fn parse(bits: &mut Bits<'_>) -> Result<Self, Error> {
        let mut vui = Self { pixel_aspect: pixel_aspect(bits)?, colour: colour(bits)?, frame_rate: None };
        if bits.flag()? {
            bits.ue()?; // chroma_sample_loc_type_top_field
            bits.ue()?;
        }
        bits.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
        if bits.flag()? {
            for _ in 0..4 {
                bits.ue()?; // default display window
            }
        }
        if bits.flag()? {
            let (ticks, scale) = (bits.read(32)?, bits.read(32)?);
            vui.frame_rate = Ratio::new(scale.into(), ticks.into());
        }
        Ok(vui)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::{BitWriter, escape};
    use super::*;

    /// x265's for 320x180 at 25 frames a second.
    const MAIN: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3c, 0xa0, 0x0a, 0x08, 0x0b, 0x9f, 0x79, 0x65, 0x66, 0x92, 0x4c, 0xaf, 0x01, 0x68, 0x08, 0x00, 0x00,
        0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x40,
    ];

    #[derive(Clone, Copy, Default)]
    struct Made {
        sub_layers: u32,
        chroma: u32,
        window: [u32; 4],
        tools: bool,
        vui: bool,
    }

    fn write(made: Made) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.put(0x4201, 16);
        out.put(made.sub_layers << 1 | 1, 8);
        out.put(0x22, 8);
        out.put(0x2000_0000, 32);
        out.put(0xb000_0000, 32);
        out.put(0, 16);
        out.put(93, 8);
        if made.sub_layers > 0 {
            out.put(0b1101 << 12, 16);
            out.put(0, 32);
            out.put(0, 32);
            out.put(0, 24);
            out.put(0, 8);
            out.put(0, 8);
        }
        out.put_ue(1);
        out.put_ue(made.chroma);
        if made.chroma == 3 {
            out.put(0, 1);
        }
        out.put_ue(1920);
        out.put_ue(1088);
        out.put(u32::from(made.window != [0; 4]), 1);
        if made.window != [0; 4] {
            made.window.into_iter().for_each(|edge| out.put_ue(edge));
        }
        out.put_ue(2);
        out.put_ue(2);
        out.put_ue(4);
        out.put(0, 1);
        [4, 3, 0].into_iter().for_each(|value| out.put_ue(value));
        [0, 3, 0, 3, 1, 1].into_iter().for_each(|value| out.put_ue(value));
        out.put(if made.tools { 0b11 } else { 0 }, if made.tools { 2 } else { 1 });
        if made.tools {
            for size in 0..4u32 {
                for list in 0..if size == 3 { 2 } else { 6 } {
                    out.put(u32::from(list == 1), 1);
                    let numbers =
                        if list == 1 { (1 << (4 + 2 * size)).min(64) + u32::from(size > 1) } else { 1 };
                    (0..numbers).for_each(|_| out.put_ue(1));
                }
            }
        }
        out.put(0b11, 2);
        out.put(u32::from(made.tools), 1);
        if made.tools {
            out.put(0x77, 8);
            [0, 1].into_iter().for_each(|value| out.put_ue(value));
            out.put(1, 1);
        }
        // Two sets: three pictures, then one predicted from them that keeps two.
        out.put_ue(2);
        [2, 1].into_iter().for_each(|value| out.put_ue(value));
        (0..3).for_each(|_| {
            out.put_ue(0);
            out.put(1, 1);
        });
        out.put(0b10, 2);
        out.put_ue(0);
        out.put(0b101_0000, 7);
        out.put(u32::from(made.tools), 1);
        if made.tools {
            out.put_ue(2);
            out.put(0, 18);
        }
        out.put(0b11, 2);
        out.put(u32::from(made.vui), 1);
        if made.vui {
            out.put(0b1, 1);
            out.put(1, 8);
            out.put(0b011_0101, 7);
            out.put(0x01_01_01, 24);
            out.put(0b0_0001, 5);
            (0..4).for_each(|_| out.put_ue(0));
            out.put(1, 1);
            out.put(1001, 32);
            out.put(60_000, 32);
        }
        out.put(1, 8);
        escape(&out.finish())
    }

    #[test]
    fn what_x265_writes() {
        let sps = Sps::parse(MAIN).unwrap();
        assert_eq!((sps.width, sps.height, sps.luma_depth, sps.chroma), (320, 180, 8, 1));
        assert_eq!((sps.profile.idc, sps.profile.level, sps.profile.compatibility), (1, 60, 0x6000_0000));
        assert_eq!(sps.profile.constraints, 0x9000_0000_0000);
        assert_eq!(sps.frame_rate, Some(Ratio { num: 25, den: 1 }));
        for end in 0..MAIN.len() - 1 {
            assert!(matches!(Sps::parse(&MAIN[..end]), Err(Error::Short { .. })), "{end}");
        }
    }

    #[test]
    fn sizes_and_tools() {
        for (made, size) in [
            (Made { chroma: 1, ..Made::default() }, (1920, 1088)),
            (Made { chroma: 1, window: [0, 0, 0, 4], ..Made::default() }, (1920, 1080)),
            (Made { chroma: 2, window: [1, 2, 3, 4], tools: true, ..Made::default() }, (1914, 1081)),
            (Made { chroma: 3, window: [1, 2, 3, 4], vui: true, ..Made::default() }, (1917, 1081)),
            (Made { chroma: 1, sub_layers: 2, tools: true, vui: true, ..Made::default() }, (1920, 1088)),
        ] {
            let sps = Sps::parse(&write(made)).unwrap();
            assert_eq!((sps.width, sps.height), size);
            assert_eq!((sps.id, sps.reorder, sps.luma_depth, sps.chroma_depth), (1, 3, 10, 10));
            assert_eq!(sps.temporal_layers, made.sub_layers as u8 + 1);
            assert!(sps.profile.high_tier && sps.profile.idc == 2 && sps.temporal_nested);
            assert_eq!(sps.frame_rate.is_some(), made.vui);
            if made.vui {
                assert_eq!(sps.frame_rate, Some(Ratio { num: 60_000, den: 1001 }));
                assert_eq!(
                    sps.colour,
                    Some(Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false })
                );
                assert_eq!(sps.pixel_aspect, Some(Ratio { num: 1, den: 1 }));
            }
        }
    }

    #[test]
    fn faults() {
        let field = |nal: &[u8]| match Sps::parse(nal) {
            Err(Error::Value { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            field(&write(Made { chroma: 1, window: [960, 0, 0, 0], ..Made::default() })),
            "conf_win_left_offset"
        );
        let window = [0, 0, u32::MAX - 1, u32::MAX - 1];
        assert_eq!(field(&write(Made { chroma: 1, window, ..Made::default() })), "conf_win_top_offset");
        let mut layers = MAIN.to_vec();
        layers[2] = 0x0f;
        assert_eq!(field(&layers), "sps_max_sub_layers_minus1");
    }
}
