//! Which renditions are made of a film: so that a player finds one for any network, and no two that are nearly the same.
//!
//! Sizes and rates follow Apple's authoring specification for H.264 (2.3), with its steps of about 1.5 to 2 from one rate to the next.

use std::str::FromStr;

use super::program::Film;

/// Which renditions are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ladder {
    /// Those that suit the film.
    Auto,
    /// Those of these heights, in pixels; of widths, if the film is upright.
    Heights(Vec<u32>),
}

impl FromStr for Ladder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let height = |word: &str| {
            let pixels = word.trim().trim_end_matches('p').parse::<u32>().ok();
            pixels.filter(|pixels| (16..=4320).contains(pixels) && pixels % 2 == 0)
        };
        let heights: Option<Vec<u32>> = text.split(',').map(height).collect();
        let mut heights = heights.ok_or_else(|| "auto, or even heights such as 720,480,240".to_owned())?;
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        if heights.len() > MOST {
            return Err(format!("at most {MOST} renditions"));
        }
        Ok(Self::Heights(heights))
    }
}

/// Renditions at most: ffmpeg encodes all of them at once.
const MOST: usize = 8;

/// A rendition that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The shorter side, by which it is called.
    pub short: u32,
    /// Bits a second of its pictures, on average.
    pub bits: u64,
}

/// Shorter sides with their bits a second, for up to 30 pictures a second.
const RUNGS: [(u32, u64); 8] = [
    (2160, 16_800_000),
    (1440, 10_000_000),
    (1080, 6_000_000),
    (720, 3_000_000),
    (540, 2_000_000),
    (432, 1_100_000),
    (360, 600_000),
    (234, 250_000),
];

impl Ladder {
    /// The renditions of a film, the largest first. None is larger than the film.
    #[must_use]
    pub fn rungs(&self, film: &Film) -> Vec<Rung> {
        let short = film.width.min(film.height);
        let wanted: Vec<u32> = match self {
            Self::Heights(heights) => heights.iter().copied().filter(|height| *height <= short).collect(),
            Self::Auto => {
                let known = RUNGS.iter().map(|(known, _)| *known);
                let mut wanted: Vec<u32> = known.filter(|known| *known <= short).collect();
                // The film itself, unless the largest is nearly that.
                if wanted.first().is_none_or(|first| u64::from(short) * 100 > u64::from(*first) * 115) {
                    wanted.insert(0, short & !1);
                }
                wanted
            }
        };
        let wanted = if wanted.is_empty() { vec![short & !1] } else { wanted };
        let mut rungs: Vec<Rung> = Vec::new();
        for short in wanted.into_iter().map(|short| short.max(2)) {
            let rung = rung(film, short);
            // What is not worth a rendition of its own: hardly fewer bits than the one above.
            let auto = *self == Self::Auto;
            if auto && rungs.last().is_some_and(|above| rung.bits * 10 > above.bits * 9) {
                continue;
            }
            rungs.push(rung);
        }
        rungs
    }
}

fn rung(film: &Film, short: u32) -> Rung {
    let (least, most) = (film.width.min(film.height), film.width.max(film.height));
    let long = (f64::from(most) * f64::from(short) / f64::from(least) / 2.0).round() as u32 * 2;
    let (width, height) = if film.width >= film.height { (long, short) } else { (short, long) };
    // Twice the pictures need less than twice the bits.
    let factor = if film.rate > 31.0 { 1.5 } else { 1.0 };
    let bits = (bits_of(short) as f64 * factor) as u64;
    // More bits than the film has do not make it better.
    let bits = film.bits.map_or(bits, |own| bits.min(own.max(50_000)));
    Rung { width, height, short, bits }
}

/// Bits a second for a size: by the pixels, from the next known one.
fn bits_of(short: u32) -> u64 {
    let known = RUNGS.iter().find(|(known, _)| *known <= short).or(RUNGS.last());
    let Some((known, bits)) = known else { return 0 };
    let times = f64::from(short) / f64::from(*known);
    (*bits as f64 * times.powf(1.5)) as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn film(width: u32, height: u32) -> Film {
        Film { width, height, rate: 25.0, duration: Duration::from_secs(60), bits: None }
    }

    fn sizes(ladder: &Ladder, film: &Film) -> Vec<(u32, u32)> {
        ladder.rungs(film).iter().map(|rung| (rung.width, rung.height)).collect()
    }

    #[test]
    fn renditions_that_suit_a_film() {
        let auto = Ladder::Auto;
        let of = |width, height| sizes(&auto, &film(width, height));
        assert_eq!(
            of(1920, 1080),
            [(1920, 1080), (1280, 720), (960, 540), (768, 432), (640, 360), (416, 234)]
        );
        // Upright.
        assert_eq!(of(720, 1280), [(720, 1280), (540, 960), (432, 768), (360, 640), (234, 416)]);
        // Between two of the known ones, and nearly one of them.
        assert_eq!(of(1600, 900)[..2], [(1600, 900), (1280, 720)]);
        assert_eq!(of(427, 240), [(416, 234)]);
        assert_eq!(of(854, 480), [(768, 432), (640, 360), (416, 234)]);
        assert_eq!(of(101, 57), [(100, 56)]);
        assert_eq!(of(7680, 4320)[0], (7680, 4320));
    }

    #[test]
    fn rates_fall_from_one_to_the_next() {
        for (width, height) in [(3840, 2160), (1600, 900), (640, 480), (320, 180)] {
            let rungs = Ladder::Auto.rungs(&film(width, height));
            assert!(rungs.windows(2).all(|pair| pair[0].bits > pair[1].bits), "{rungs:?}");
            assert!(rungs.iter().all(|rung| rung.width % 2 == 0 && rung.height % 2 == 0), "{rungs:?}");
            let fast = Ladder::Auto.rungs(&Film { rate: 60.0, ..film(width, height) });
            assert!(fast[0].bits > rungs[0].bits);
        }
        // A film of few bits has few renditions, none with more than its own.
        let poor = Film { bits: Some(1_000_000), ..film(1920, 1080) };
        let rungs = Ladder::Auto.rungs(&poor);
        assert_eq!(rungs.iter().map(|rung| rung.short).collect::<Vec<_>>(), [1080, 360, 234]);
        assert_eq!(rungs[0].bits, 1_000_000);
    }

    #[test]
    fn heights_of_the_users() {
        let ladder: Ladder = "240,720p,480,720".parse().unwrap();
        assert_eq!(ladder, Ladder::Heights(vec![720, 480, 240]));
        assert_eq!(sizes(&ladder, &film(854, 480)), [(854, 480), (428, 240)]);
        assert_eq!(sizes(&ladder, &film(100, 50)), [(100, 50)]);
        assert_eq!("auto".parse(), Ok(Ladder::Auto));
        for wrong in ["", "automatic", "0", "241", "-2", "720,", "99999", "2,4,6,8,10,12,14,16,18"] {
            assert!(wrong.parse::<Ladder>().is_err(), "{wrong}");
        }
    }
}
