//! `traceparent` and `tracestate`: W3C Trace Context, level 1, with the random flag of level 2.
//!
//! A `traceparent` names the trace that a request belongs to, and the span of whoever sent it. A server that takes part in the trace sends the next
//! one with the same trace and a span of its own ([`TraceParent::child`]); one that gets no valid `traceparent` begins a trace
//! ([`TraceParent::begin`]). Identifiers are random numbers, and arguments here.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use super::list::FieldLines;

/// Bytes of a `traceparent` of version 00.
pub const LENGTH: usize = 55;

/// Members of a `tracestate` at most (section 3.3.1.1).
pub const MAX_MEMBERS: usize = 32;

/// The flag that asks for the trace to be recorded (section 3.2.2.5.1).
const SAMPLED: u8 = 0x01;

/// The flag that says that the trace's identifier is random (level 2).
const RANDOM: u8 = 0x02;

/// What a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: NonZeroU128,
    /// The span of the sender.
    pub span: NonZeroU64,
    flags: u8,
}

impl TraceParent {
    /// A trace that begins here. `sampled`: whether those who record traces are to record it.
    #[must_use]
    pub const fn begin(trace: NonZeroU128, span: NonZeroU64, sampled: bool) -> Self {
        Self { trace, span, flags: RANDOM | sampled as u8 }
    }

    /// What the next server is told by one whose span is `span`.
    #[must_use]
    pub const fn child(self, span: NonZeroU64) -> Self {
        Self { span, ..self }
    }

    /// Whether the trace is to be recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The one of a request. Without a valid one, or with more than one, there is none, and the `tracestate` is void too.
    pub fn of<H: FieldLines + ?Sized>(head: &H) -> Option<Self> {
        let mut lines = head.lines("traceparent");
        let line = lines.next()?;
        if lines.next().is_some() { None } else { Self::parse(line) }
    }

    /// Reads a value: section 3.2. Of a version that is not known, the parts are read that version 00 has.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let dashes = [2, 35, 52].iter().all(|&at| known[at] == b'-');
        let version = hex(&known[..2])?;
        let ends_well = match version {
            0x00 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        if !dashes || !ends_well {
            return None;
        }
        let trace = NonZeroU128::new(hex(&known[3..35])?)?;
        let span = NonZeroU64::new(u64::try_from(hex(&known[36..52])?).ok()?)?;
        let flags = u8::try_from(hex(&known[53..55])?).ok()? & (SAMPLED | RANDOM);
        Some(Self { trace, span, flags })
    }
}

/// The value of the field, of version 00.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A number in lower-case hexadecimal digits, at most 32 of them.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Whether the `tracestate` of a request can be read, so that it may go on beside a `traceparent` (section 3.3). Empty members count for nothing.
pub fn has_sound_state<H: FieldLines + ?Sized>(head: &H) -> bool {
    let lines = head.lines("tracestate").flat_map(|line| line.split(|&byte| byte == b','));
    let mut count = 0;
    for member in lines.map(super::list::trim_ows).filter(|member| !member.is_empty()) {
        count += 1;
        if count > MAX_MEMBERS || !is_member(member) {
            return false;
        }
    }
    true
}

/// `key "=" value`: section 3.3.1.3.
fn is_member(member: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', member) else { return false };
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    let key_is_sound = matches!(key, [first, ..] if first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.len() <= 256
        && key
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'));
    let value_is_sound = (1..=256).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='));
    key_is_sound && value_is_sound
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(text: &str) -> Option<String> {
        TraceParent::parse(text.as_bytes()).map(|parent| parent.to_string())
    }

    #[test]
    fn a_trace_is_read_and_written() {
        let parent = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.trace.get(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(parent.span.get(), 0xb7ad_6b71_6920_3331);
        assert!(parent.is_sampled());
        assert_eq!(parent.to_string(), GOOD);
        let child = parent.child(NonZeroU64::new(0xff).unwrap());
        assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01");
        let one = (NonZeroU128::MIN, NonZeroU64::MIN);
        for (sampled, flags) in [(false, "02"), (true, "03")] {
            let begun = TraceParent::begin(one.0, one.1, sampled);
            assert_eq!(begun.to_string(), format!("00-{}1-{}1-{flags}", "0".repeat(31), "0".repeat(15)));
            assert_eq!(begun.is_sampled(), sampled);
        }
    }

    #[test]
    fn each_part_is_checked() {
        let with = |from: &str, to: &str| GOOD.replacen(from, to, 1);
        let ids = &GOOD[2..53];
        for (text, expected) in [
            (GOOD.to_owned(), Some(GOOD.to_owned())),
            (format!("00{ids}00"), Some(format!("00{ids}00"))),
            // Flags that are not known are not passed on.
            (format!("00{ids}ff"), Some(format!("00{ids}03"))),
            (format!("00{ids}0g"), None),
            // Versions.
            (format!("cc{ids}01"), Some(GOOD.to_owned())),
            (format!("cc{ids}01-what-comes-later"), Some(GOOD.to_owned())),
            (format!("cc{ids}01-"), Some(GOOD.to_owned())),
            (format!("cc{ids}01.what"), None),
            (format!("cc{ids}010"), None),
            (format!("ff{ids}01"), None),
            (format!("0{ids}01"), None),
            (format!("CC{ids}01"), None),
            (format!("{GOOD}-"), None),
            (format!("{GOOD}-more"), None),
            // Identifiers.
            (with("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), None),
            (with("b7ad6b7169203331", &"0".repeat(16)), None),
            (with("0af7", "0AF7"), None),
            (with("0af7", "0xf7"), None),
            (with("b7ad", "b7 d"), None),
            (with("0af7", "+af7"), None),
            // Lengths and dashes.
            (GOOD[..54].to_owned(), None),
            (format!(" {GOOD}"), None),
            (GOOD.replace('-', "_"), None),
            (format!("0{GOOD}"), None),
            (String::new(), None),
            ("\u{e9}".repeat(28), None),
        ] {
            assert_eq!(parse(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn two_are_none() {
        let of = |lines: &[&str]| {
            let head: Vec<_> = lines.iter().map(|line| ("Traceparent", *line)).collect();
            TraceParent::of(&head[..]).is_some()
        };
        assert!(of(&[GOOD]));
        assert!(!of(&[]) && !of(&[GOOD, GOOD]) && !of(&["", GOOD]) && !of(&["nonsense"]));
    }

    #[test]
    fn states() {
        let long = format!("a={}", "b".repeat(257));
        let key = format!("{}=b", "a".repeat(257));
        let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let (most, too_many) = (many(MAX_MEMBERS), many(MAX_MEMBERS + 1));
        let rows: [(&[&str], bool); 18] = [
            (&[], true),
            (&[""], true),
            (&["congo=t61rcWkgMzE"], true),
            (&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], true),
            (&["rojo=1", "congo=2"], true),
            (&["a=1 , b=2\t,, c=3"], true),
            (&["fw529a3039@dt=FfAfQ"], true),
            (&["0tenant@a-b_c*d/e=x y"], true),
            (&["a=b=c"], false),
            (&["a"], false),
            (&["a="], false),
            (&["=b"], false),
            (&["A=b"], false),
            (&["a b=c"], false),
            (&[&long], false),
            (&[&key], false),
            (&[&most], true),
            (&[&too_many], false),
        ];
        for (lines, sound) in rows {
            let head: Vec<_> = lines.iter().map(|line| ("tracestate", *line)).collect();
            assert_eq!(has_sound_state(&head[..]), sound, "{lines:?}");
        }
    }
}
