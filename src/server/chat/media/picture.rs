//! Pictures: how large they are, and a small one in place of a large one.
//!
//! JPEG, PNG, GIF (its first frame) and WebP, by the crate `image`. Before anything is decoded the header has to say a number of pixels that is
//! allowed, so a bomb costs nothing. What cannot be decoded is no picture, and kept as any other file. A thumbnail is turned as the Exif block of its
//! original says, and has nothing else of its metadata: no location, no camera, no second picture inside.

use std::fs::File;
use std::io::{BufReader, Cursor, Seek};

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::sniff::Kind;

/// What may be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLimits {
    /// Pixels of a picture. Default: 50 million, what telephones take; Mastodon has 33 million.
    pub pixels: u64,
    /// Bytes of memory for one picture that is decoded. Default: 256 MiB, four bytes for each pixel and some more.
    pub memory: u64,
    /// Pixels of the longer side of a thumbnail. Default: 640.
    pub thumbnail: u32,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { pixels: 50_000_000, memory: 256 << 20, thumbnail: 640 }
    }
}

/// Quality of thumbnails in JPEG, of 100.
const QUALITY: u8 = 80;

/// What was found in a picture.
#[derive(Debug)]
pub(super) struct Picture {
    /// Width and height, as it is shown.
    pub(super) dimensions: (u32, u32),
    /// A small one: JPEG, or PNG if it is transparent somewhere.
    pub(super) thumbnail: Vec<u8>,
    pub(super) thumbnail_kind: &'static str,
}

/// Why a file is kept as no picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPicture {
    #[error("{0} is none of the formats that are decoded")]
    Format(&'static str),
    #[error("it has {0} x {1} pixels, which is more than is decoded")]
    TooLarge(u32, u32),
    #[error(transparent)]
    Image(#[from] image::ImageError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Decodes a file of this kind. It takes as long as the computer needs for it: for the blocking lane.
pub(super) fn look(file: &mut File, kind: Kind, limits: PictureLimits) -> Result<Picture, NoPicture> {
    let format = match kind.essence {
        "image/jpeg" => ImageFormat::Jpeg,
        "image/png" => ImageFormat::Png,
        "image/gif" => ImageFormat::Gif,
        "image/webp" => ImageFormat::WebP,
        other => return Err(NoPicture::Format(other)),
    };
    file.rewind()?;
    let mut reader = ImageReader::with_format(BufReader::new(file), format);
    let mut allowed = Limits::no_limits();
    allowed.max_alloc = Some(limits.memory);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > limits.pixels || decoder.total_bytes() > limits.memory {
        return Err(NoPicture::TooLarge(width, height));
    }
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture = shrink(picture, limits.thumbnail);
    picture.apply_orientation(orientation);
    let dimensions = if is_sideways(orientation) { (height, width) } else { (width, height) };
    let (thumbnail, thumbnail_kind) = encode(&picture)?;
    Ok(Picture { dimensions, thumbnail, thumbnail_kind })
}

fn is_sideways(orientation: image::metadata::Orientation) -> bool {
    use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// A picture whose longer side has at most `side` pixels, in eight bits a channel.
fn shrink(picture: DynamicImage, side: u32) -> DynamicImage {
    let small = if picture.width() > side || picture.height() > side {
        picture.thumbnail(side, side)
    } else {
        picture
    };
    if small.color().has_alpha() { small.into_rgba8().into() } else { small.into_rgb8().into() }
}

fn encode(picture: &DynamicImage) -> Result<(Vec<u8>, &'static str), NoPicture> {
    let mut bytes = Cursor::new(Vec::new());
    let transparent = picture.as_rgba8().is_some_and(|pixels| pixels.pixels().any(|pixel| pixel.0[3] < 255));
    if transparent {
        picture.write_to(&mut bytes, ImageFormat::Png)?;
        return Ok((bytes.into_inner(), "image/png"));
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&picture.to_rgb8())?;
    Ok((bytes.into_inner(), "image/jpeg"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use image::{Rgba, RgbaImage};

    use super::super::location::tests::located;
    use super::super::sniff::sniff;
    use super::*;

    /// Half red and half blue, side by side.
    fn picture(width: u32, height: u32, alpha: u8) -> DynamicImage {
        let colour = |x| if x < width / 2 { Rgba([255, 0, 0, alpha]) } else { Rgba([0, 0, 255, alpha]) };
        RgbaImage::from_fn(width, height, |x, _| colour(x)).into()
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let rgb = picture.to_rgb8().into();
        let picture: &DynamicImage = if format == ImageFormat::Jpeg { &rgb } else { picture };
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn looked(bytes: &[u8], limits: PictureLimits) -> Result<Picture, NoPicture> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        look(&mut file, sniff(bytes), limits)
    }

    #[test]
    fn each_format_gets_a_thumbnail() {
        let limits = PictureLimits { thumbnail: 64, ..PictureLimits::default() };
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
            let found = looked(&encoded(&picture(200, 100, 255), format), limits).unwrap();
            assert_eq!((found.dimensions, found.thumbnail_kind), ((200, 100), "image/jpeg"), "{format:?}");
            let small = image::load_from_memory(&found.thumbnail).unwrap().to_rgb8();
            assert_eq!(small.dimensions(), (64, 32), "{format:?}");
            assert!(small.get_pixel(2, 2).0[0] > 200 && small.get_pixel(61, 2).0[2] > 200, "{format:?}");
        }
    }

    #[test]
    fn what_is_transparent_stays_so_and_what_is_small_stays_as_large() {
        let found =
            looked(&encoded(&picture(20, 10, 100), ImageFormat::Png), PictureLimits::default()).unwrap();
        assert_eq!((found.dimensions, found.thumbnail_kind), ((20, 10), "image/png"));
        let small = image::load_from_memory(&found.thumbnail).unwrap().to_rgba8();
        assert_eq!((small.dimensions(), small.get_pixel(0, 0).0), ((20, 10), [255, 0, 0, 100]));
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_turned() {
        for little in [true, false] {
            let jpeg = encoded(&picture(200, 100, 255), ImageFormat::Jpeg);
            let turned = [&jpeg[..2], &located(little), &jpeg[2..]].concat();
            let found = looked(&turned, PictureLimits::default()).unwrap();
            assert_eq!(found.dimensions, (100, 200), "orientation 6");
            let small = image::load_from_memory(&found.thumbnail).unwrap().to_rgb8();
            assert_eq!(small.dimensions(), (100, 200));
            assert!(small.get_pixel(50, 5).0[0] > 200, "what was left is at the top");
            for word in [&b"Exif"[..], b"GPS", b"xap"] {
                assert!(memchr::memmem::find(&found.thumbnail, word).is_none());
            }
        }
    }

    /// A PNG that says it has so many pixels, and has a few bytes.
    fn bomb(width: u32, height: u32) -> Vec<u8> {
        let mut png = encoded(&picture(1, 1, 255), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        png
    }

    #[test]
    fn a_bomb_is_not_decoded() {
        let limits = PictureLimits::default();
        for (width, height) in [(50_000, 50_000), (u32::MAX >> 1, u32::MAX >> 1), (50_000_001, 1)] {
            let result = looked(&bomb(width, height), limits);
            assert!(result.is_err(), "{width} x {height}");
        }
        assert!(matches!(looked(&bomb(50_000, 50_000), limits), Err(NoPicture::TooLarge(50_000, 50_000))));
        let gif = [&b"GIF89a\xFF\xFF\xFF\xFF\0\0\0"[..], b",\0\0\0\0\xFF\xFF\xFF\xFF\0\x02\x02\x4C\x01\0;"]
            .concat();
        assert!(matches!(looked(&gif, limits), Err(NoPicture::TooLarge(0xFFFF, 0xFFFF))));
    }

    #[test]
    fn the_memory_of_a_picture_has_a_limit() {
        let png = encoded(&picture(1000, 1000, 100), ImageFormat::Png);
        let limits = PictureLimits { memory: 3_999_999, ..PictureLimits::default() };
        assert!(looked(&png, limits).is_err());
        let enough = PictureLimits { memory: 16 << 20, ..PictureLimits::default() };
        assert!(looked(&png, enough).is_ok());
    }

    #[test]
    fn what_is_cut_or_something_else_is_no_picture() {
        let png = encoded(&picture(200, 100, 255), ImageFormat::Png);
        for end in [8, 20, 40, png.len() / 2] {
            assert!(looked(&png[..end], PictureLimits::default()).is_err(), "cut at {end}");
        }
        assert!(matches!(
            looked(b"plain text", PictureLimits::default()),
            Err(NoPicture::Format("text/plain"))
        ));
        assert!(looked(b"GIF89a<script>alert(1)</script>", PictureLimits::default()).is_err());
    }
}
