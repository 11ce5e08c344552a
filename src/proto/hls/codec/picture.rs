//! What the sequence headers of all video codings say about a picture, in the same words.

/// A fraction: frames a second, or the shape of a pixel. Never with a denominator of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    /// The numerator.
    pub num: u32,
    /// The denominator, at least 1.
    pub den: u32,
}

impl Ratio {
    /// `num / den` in lowest terms; `None` when either is 0.
    #[must_use]
    pub fn new(num: u64, den: u64) -> Option<Self> {
        if num == 0 || den == 0 {
            return None;
        }
        let (mut a, mut b) = (num, den);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Some(Self { num: u32::try_from(num / a).ok()?, den: u32::try_from(den / a).ok()? })
    }
}

/// How numbers become colours (ITU-T H.273): code points as they stand in sequence headers and in the box `colr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour {
    /// `colour_primaries`.
    pub primaries: u8,
    /// `transfer_characteristics`.
    pub transfer: u8,
    /// `matrix_coefficients`.
    pub matrix: u8,
    /// Whether samples use all values, not only the range of television.
    pub full_range: bool,
}

/// Pixel shapes that H.264 and H.265 number (table E.1 of both), from 1.
const SHAPES: [(u32, u32); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// The shape of number `idc`; `None` when it is unspecified or reserved.
pub(super) fn shape(idc: u8) -> Option<Ratio> {
    let (num, den) = *SHAPES.get(usize::from(idc).checked_sub(1)?)?;
    Some(Ratio { num, den })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_in_lowest_terms() {
        for (num, den, expected) in [
            (50, 2, Some((25, 1))),
            (60_000, 2002, Some((30_000, 1001))),
            (0, 1, None),
            (1, 0, None),
            (1 << 33, 2, None),
            (1 << 33, 4, Some((1 << 31, 1))),
            (u64::from(u32::MAX), 1, Some((u32::MAX, 1))),
        ] {
            assert_eq!(Ratio::new(num, den).map(|ratio| (ratio.num, ratio.den)), expected, "{num}/{den}");
        }
    }

    #[test]
    fn shapes_by_number() {
        for (idc, expected) in
            [(0, None), (1, Some((1, 1))), (14, Some((4, 3))), (16, Some((2, 1))), (17, None), (255, None)]
        {
            assert_eq!(shape(idc).map(|shape| (shape.num, shape.den)), expected, "{idc}");
        }
    }
}
