//! The sequence parameter set of H.264 (ITU-T H.264 section 7.3.2.1.1, and Annex E for its usability information): what a picture
//! looks like, how often there is one, and how far pictures are out of order.

use super::bits::{Bits, rbsp};
use super::picture::shape;
use super::{Colour, Error, Ratio};

const WHAT: &str = "H.264 sequence parameter set";

/// `Extended_SAR`: the shape of a pixel is written out.
const EXTENDED_SAR: u8 = 255;

/// What a sequence parameter set says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `profile_idc`.
    pub profile: u8,
    /// The byte of constraint flags behind it.
    pub compatibility: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
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
    /// Whether pictures may be fields.
    pub interlaced: bool,
    /// The shape of a pixel, where it is given.
    pub pixel_aspect: Option<Ratio>,
    /// Colours, where they are given.
    pub colour: Option<Colour>,
    /// Frames a second, where timing is given.
    pub frame_rate: Option<Ratio>,
    /// `max_num_reorder_frames`, where it is given: frames that come before another in the stream and after it on the screen.
    pub reorder: Option<u8>,
}

impl Sps {
    /// Reads a NAL unit of type 7, with its header byte.
    ///
    /// # Errors
    /// What is cut short or out of its range.
    pub fn parse(nal: &[u8]) -> Result<Self, Error> {
        let payload = rbsp(nal);
        let mut bits = Bits::new(WHAT, &payload);
        bits.skip(8)?;
        let (profile, compatibility, level) = (bits.small(8)?, bits.small(8)?, bits.small(8)?);
        let id = bits.ue_upto("seq_parameter_set_id", 31)? as u8;
        let format = Format::parse(&mut bits, profile)?;
        bits.ue_upto("log2_max_frame_num_minus4", 12)?;
        skip_order_count(&mut bits)?;
        bits.ue_upto("max_num_ref_frames", 16)?;
        bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let columns = bits.ue_upto("pic_width_in_mbs_minus1", 1 << 16)? + 1;
        let rows = bits.ue_upto("pic_height_in_map_units_minus1", 1 << 16)? + 1;
        let interlaced = !bits.flag()?;
        if interlaced {
            bits.skip(1)?; // mb_adaptive_frame_field_flag
        }
        bits.skip(1)?; // direct_8x8_inference_flag
        let fields = if interlaced { 2 } else { 1 };
        let (mut width, mut height) = (columns * 16, rows * 16 * fields);
        if bits.flag()? {
            let (unit_x, unit_y) = format.crop_units();
            width = cropped(&mut bits, "frame_crop_left_offset", width, unit_x)?;
            height = cropped(&mut bits, "frame_crop_top_offset", height, unit_y * fields)?;
        }
        let vui = if bits.flag()? { Vui::parse(&mut bits)? } else { Vui::default() };
        let Format { chroma, luma_depth, chroma_depth, .. } = format;
        let Vui { pixel_aspect, colour, frame_rate, reorder } = vui;
        Ok(Self {
            id,
            profile,
            compatibility,
            level,
            chroma,
            luma_depth,
            chroma_depth,
            width,
            height,
            interlaced,
            pixel_aspect,
            colour,
            frame_rate,
            reorder,
        })
    }
}

/// Whether sequence parameter sets of this profile say how samples are stored.
pub(super) fn is_high(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// How samples are stored.
struct Format {
    chroma: u8,
    separate: bool,
    luma_depth: u8,
    chroma_depth: u8,
}

impl Format {
    fn parse(bits: &mut Bits<'_>, profile: u8) -> Result<Self, Error> {
        let mut format = Self { chroma: 1, separate: false, luma_depth: 8, chroma_depth: 8 };
        if !is_high(profile) {
            return Ok(format);
        }
        format.chroma = bits.ue_upto("chroma_format_idc", 3)? as u8;
        if format.chroma == 3 {
            format.separate = bits.flag()?;
        }
        format.luma_depth = bits.ue_upto("bit_depth_luma_minus8", 6)? as u8 + 8;
        format.chroma_depth = bits.ue_upto("bit_depth_chroma_minus8", 6)? as u8 + 8;
        bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            let lists = if format.chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.flag()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(format)
    }

    /// `CropUnitX`, and `CropUnitY` of a frame (equations 7-19 to 7-22).
    fn crop_units(&self) -> (u32, u32) {
        match self.chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        }
    }
}

/// Section 7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Result<(), Error> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + i64::from(bits.se()?)).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

fn skip_order_count(bits: &mut Bits<'_>) -> Result<(), Error> {
    match bits.ue_upto("pic_order_cnt_type", 2)? {
        0 => {
            bits.ue_upto("log2_max_pic_order_cnt_lsb_minus4", 12)?;
        }
        1 => {
            bits.skip(1)?; // delta_pic_order_always_zero_flag
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue_upto("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// `size` without what is cropped at its two ends.
fn cropped(bits: &mut Bits<'_>, field: &'static str, size: u32, unit: u32) -> Result<u32, Error> {
    let sum = u64::from(bits.ue()?) + u64::from(bits.ue()?);
    match u64::from(size).checked_sub(sum * u64::from(unit)) {
        Some(left) if left > 0 => Ok(left as u32),
        _ => Err(bits.wrong(field, sum)),
    }
}

/// Video usability information (section E.1.1).
#[derive(Default)]
struct Vui {
    pixel_aspect: Option<Ratio>,
    colour: Option<Colour>,
    frame_rate: Option<Ratio>,
    reorder: Option<u8>,
}

impl Vui {
    fn parse(bits: &mut Bits<'_>) -> Result<Self, Error> {
        let mut vui = Self { pixel_aspect: pixel_aspect(bits)?, colour: colour(bits)?, ..Self::default() };
        if bits.flag()? {
            bits.ue()?; // chroma_sample_loc_type_top_field
            bits.ue()?;
        }
        if bits.flag()? {
            let (ticks, scale) = (bits.read(32)?, bits.read(32)?);
            bits.skip(1)?; // fixed_frame_rate_flag
            // A tick is a field (equation E-37).
            vui.frame_rate = Ratio::new(scale.into(), u64::from(ticks) * 2);
        }
        let nal = bits.flag()?;
        if nal {
            skip_hrd(bits)?;
        }
        let vcl = bits.flag()?;
        if vcl {
            skip_hrd(bits)?;
        }
        if nal || vcl {
            bits.skip(1)?; // low_delay_hrd_flag
        }
        bits.skip(1)?; // pic_struct_present_flag
        if bits.flag()? {
            bits.skip(1)?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                bits.ue()?;
            }
            vui.reorder = Some(bits.ue_upto("max_num_reorder_frames", 16)? as u8);
        }
        Ok(vui)
    }
}

/// `aspect_ratio_info_present_flag` and what follows it: the same bits in H.264 and H.265, as are those of [`colour`].
pub(super) fn pixel_aspect(bits: &mut Bits<'_>) -> Result<Option<Ratio>, Error> {
    if !bits.flag()? {
        return Ok(None);
    }
    match bits.small(8)? {
        EXTENDED_SAR => {
            let (width, height) = (bits.read(16)?, bits.read(16)?);
            Ok(Ratio::new(width.into(), height.into()))
        }
        idc => Ok(shape(idc)),
    }
}

/// `overscan_info_present_flag` to `matrix_coefficients`.
pub(super) fn colour(bits: &mut Bits<'_>) -> Result<Option<Colour>, Error> {
    if bits.flag()? {
        bits.skip(1)?; // overscan_appropriate_flag
    }
    if !bits.flag()? {
        return Ok(None);
    }
    bits.skip(3)?; // video_format
    let full_range = bits.flag()?;
    if !bits.flag()? {
        return Ok(None);
    }
    let (primaries, transfer, matrix) = (bits.small(8)?, bits.small(8)?, bits.small(8)?);
    Ok(Some(Colour { primaries, transfer, matrix, full_range }))
}

/// Section E.1.2.
fn skip_hrd(bits: &mut Bits<'_>) -> Result<(), Error> {
    let count = bits.ue_upto("cpb_cnt_minus1", 31)? + 1;
    bits.skip(8)?;
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    bits.skip(20)
}

#[cfg(test)]
mod tests {
    use super::super::bits::{BitWriter, escape};
    use super::*;

    /// x264's for 1920x1080 at 30 frames a second, High 4.0, cropped from 1088 lines, with B-frames.
    const HIGH: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00,
        0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
    ];

    fn high() -> Sps {
        Sps {
            id: 0,
            profile: 100,
            compatibility: 0,
            level: 40,
            chroma: 1,
            luma_depth: 8,
            chroma_depth: 8,
            width: 1920,
            height: 1080,
            interlaced: false,
            pixel_aspect: Some(Ratio { num: 1, den: 1 }),
            colour: None,
            frame_rate: Some(Ratio { num: 30, den: 1 }),
            reorder: Some(2),
        }
    }

    #[test]
    fn what_x264_writes() {
        assert_eq!(Sps::parse(HIGH), Ok(high()));
    }

    #[test]
    fn cut_short_anywhere() {
        // The last byte holds the end of the last number that is read.
        for end in 0..HIGH.len() - 2 {
            assert!(matches!(Sps::parse(&HIGH[..end]), Err(Error::Short { .. })), "{end}");
        }
    }

    /// Flags that [`write`] takes from a table.
    #[derive(Clone, Copy, Default)]
    struct Made {
        profile: u32,
        chroma: u32,
        order: u32,
        field: bool,
        crop: [u32; 4],
        vui: bool,
    }

    fn write(made: Made) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.put(0x67, 8);
        out.put(made.profile, 8);
        out.put(0xc0, 8);
        out.put(30, 8);
        out.put_ue(3);
        if made.profile == 100 {
            out.put_ue(made.chroma);
            if made.chroma == 3 {
                out.put(0, 1);
            }
            out.put_ue(2);
            out.put_ue(2);
            out.put(0b01, 2);
            // One list of each size: a first difference of -8 ends the numbers of a list.
            for list in 0..if made.chroma == 3 { 12 } else { 8 } {
                out.put(u32::from(list == 0 || list == 6), 1);
                if list == 0 {
                    (0..16).for_each(|_| out.put_ue(1));
                } else if list == 6 {
                    out.put_ue(16);
                }
            }
        }
        out.put_ue(0);
        out.put_ue(made.order);
        match made.order {
            0 => out.put_ue(2),
            1 => {
                out.put(0, 1);
                [1, 2, 2, 3, 4].into_iter().for_each(|value| out.put_ue(value));
            }
            _ => {}
        }
        out.put_ue(4);
        out.put(0, 1);
        out.put_ue(44);
        out.put_ue(if made.field { 17 } else { 35 });
        out.put(u32::from(!made.field), 1);
        if made.field {
            out.put(0, 1);
        }
        out.put(1, 1);
        out.put(u32::from(made.crop != [0; 4]), 1);
        if made.crop != [0; 4] {
            made.crop.into_iter().for_each(|edge| out.put_ue(edge));
        }
        out.put(u32::from(made.vui), 1);
        if made.vui {
            out.put(1, 1);
            out.put(255, 8);
            out.put(64, 16);
            out.put(45, 16);
            out.put(0b11, 2); // overscan
            out.put(0b11_0111, 6);
            out.put(0x09_10_09, 24);
            out.put(1, 1);
            out.put_ue(0);
            out.put_ue(0);
            out.put(1, 1);
            out.put(1001, 32);
            out.put(50_000, 32);
            out.put(1, 1);
            for _ in 0..2 {
                out.put(1, 1);
                out.put_ue(1);
                out.put(0, 8);
                (0..2).for_each(|_| {
                    out.put_ue(1000);
                    out.put_ue(1000);
                    out.put(0, 1);
                });
                out.put(0, 20);
            }
            out.put(0b0111, 4);
            (0..4).for_each(|_| out.put_ue(0));
            out.put_ue(1);
            out.put_ue(4);
        }
        out.put(1, 1);
        escape(&out.finish())
    }

    #[test]
    fn sizes() {
        let base = Made { profile: 66, order: 2, ..Made::default() };
        let high = Made { profile: 100, chroma: 1, ..base };
        for (made, size) in [
            (base, (720, 576)),
            (Made { order: 0, ..base }, (720, 576)),
            (Made { order: 1, ..base }, (720, 576)),
            (Made { field: true, ..base }, (720, 576)),
            (Made { crop: [1, 2, 3, 4], ..base }, (714, 562)),
            (Made { crop: [1, 2, 3, 4], field: true, ..base }, (714, 548)),
            (Made { crop: [1, 2, 3, 4], ..high }, (714, 562)),
            (Made { crop: [1, 2, 3, 4], chroma: 2, ..high }, (714, 569)),
            (Made { crop: [1, 2, 3, 4], chroma: 3, ..high }, (717, 569)),
            (Made { crop: [1, 2, 3, 4], chroma: 0, ..high }, (717, 569)),
        ] {
            let sps = Sps::parse(&write(made)).unwrap();
            assert_eq!((sps.width, sps.height), size);
            assert_eq!((sps.id, sps.profile, sps.interlaced), (3, made.profile as u8, made.field));
            assert_eq!(sps.luma_depth, if made.profile == 100 { 10 } else { 8 });
            assert_eq!((sps.pixel_aspect, sps.colour, sps.frame_rate, sps.reorder), (None, None, None, None));
        }
    }

    #[test]
    fn usability_information() {
        let sps = Sps::parse(&write(Made { profile: 77, vui: true, ..Made::default() })).unwrap();
        assert_eq!(sps.pixel_aspect, Some(Ratio { num: 64, den: 45 }));
        assert_eq!(sps.colour, Some(Colour { primaries: 9, transfer: 16, matrix: 9, full_range: true }));
        assert_eq!(sps.frame_rate, Some(Ratio { num: 25_000, den: 1001 }));
        assert_eq!(sps.reorder, Some(1));
    }

    #[test]
    fn faults() {
        let fault = |field, value| move |error: Error| matches!(error, Error::Value { field: f, value: v, .. } if f == field && v == value);
        let base = Made { profile: 66, order: 2, ..Made::default() };
        assert!(fault("frame_crop_left_offset", 360)(
            Sps::parse(&write(Made { crop: [180, 180, 0, 0], ..base })).unwrap_err()
        ));
        assert!(fault("frame_crop_top_offset", u64::from(u32::MAX))(
            Sps::parse(&write(Made { crop: [0, 0, 0, u32::MAX], ..base })).unwrap_err()
        ));
        assert!(fault("pic_order_cnt_type", 3)(Sps::parse(&write(Made { order: 3, ..base })).unwrap_err()));
    }
}
