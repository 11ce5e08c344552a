//! The names of what a live rendition consists of.
//!
//! Each name has the number of the run in it, so that nobody who has kept a segment of yesterday takes it for one of today: what a name stands for never changes.

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// An initialization section.
    Init(u64),
    /// A segment.
    Segment(u64),
    /// A part of a segment: the numbers of both.
    Part(u64, u64),
    /// A segment that is not there.
    Gap(u64),
}

impl Name {
    /// As it stands in playlists of this run.
    #[must_use]
    pub fn write(self, run: u64) -> String {
        match self {
            Self::Init(number) => format!("init-{run}-{number}.mp4"),
            Self::Segment(msn) => format!("seg-{run}-{msn}.m4s"),
            Self::Part(msn, part) => format!("part-{run}-{msn}-{part}.m4s"),
            Self::Gap(msn) => format!("gap-{run}-{msn}.m4s"),
        }
    }

    /// What a name of this run stands for; `None` when it is of another one, or no name at all.
    #[must_use]
    pub fn read(name: &str, run: u64) -> Option<Self> {
        let (stem, end) = name.rsplit_once('.')?;
        let mut fields = stem.split('-');
        let kind = fields.next()?;
        let mut numbers = [0; 3];
        let mut count = 0;
        for field in fields {
            let digits = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
            let canonical = digits && (field == "0" || !field.starts_with('0'));
            *numbers.get_mut(count)? = canonical.then(|| field.parse().ok()).flatten()?;
            count += 1;
        }
        let name = match (kind, count, end) {
            ("init", 2, "mp4") => Self::Init(numbers[1]),
            ("seg", 2, "m4s") => Self::Segment(numbers[1]),
            ("part", 3, "m4s") => Self::Part(numbers[1], numbers[2]),
            ("gap", 2, "m4s") => Self::Gap(numbers[1]),
            _ => return None,
        };
        (numbers[0] == run).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let run = 1_800_000_000;
        for name in [Name::Init(0), Name::Segment(u64::MAX), Name::Part(12, 3), Name::Gap(7)] {
            assert_eq!(Name::read(&name.write(run), run), Some(name));
            assert_eq!(Name::read(&name.write(run), run + 1), None);
        }
        let no_names = [
            "",
            ".",
            "seg.m4s",
            "seg-1.m4s",
            "seg-1-2.mp4",
            "seg-1-02.m4s",
            "seg-1-+2.m4s",
            "seg-1-2-3.m4s",
            "part-1-2.m4s",
            "init-1-2.m4s",
            "seg-1--2.m4s",
            "seg-1-2.m4s.",
            "SEG-1-2.m4s",
            "part-1-2-3-4.m4s",
            "seg-1-18446744073709551616.m4s",
            "gap-1-.m4s",
        ];
        for name in no_names {
            assert_eq!(Name::read(name, 1), None, "{name}");
        }
    }
}
