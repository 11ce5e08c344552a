//! Proactive negotiation: RFC 9110 section 12.5, for content codings and for the type of a page of ours.
//!
//! A client weighs what it would like from 0 ("not this") to 1, in thousandths here ([`Weight`]). The server takes the
//! heaviest of what it has, and among equals the one it prefers itself. A field that cannot be read counts as absent:
//! negotiation is a courtesy, and a guess is worse than the default.

use super::list::{Parameter, is_token, members, split_parameters};

/// A quality value in thousandths, 0 to 1000: section 12.4.2.
pub type Weight = u16;

/// The weight of what is named without one.
const FULL: Weight = 1000;

/// A content coding that we can send: section 8.4.1, RFC 7932 and RFC 8878.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// No coding at all.
    Identity,
    /// gzip, RFC 1952.
    Gzip,
    /// Brotli, RFC 7932.
    Brotli,
    /// Zstandard, RFC 8878.
    Zstd,
}

/// What we prefer among files that are compressed already: the smallest first.
pub const SMALLEST_FIRST: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

impl Coding {
    /// All codings.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd];

    /// The name on the wire. `Content-Encoding` never says `identity`: the field is then left out.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// What is appended to the name of a file for its sibling in this coding; empty for the file itself.
    #[must_use]
    pub const fn file_suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
        }
    }

    /// What is appended to the opaque part of an entity tag, so that each coding has a tag of its own (section
    /// 8.8.3.3).
    #[must_use]
    pub const fn etag_suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-gz",
            Self::Brotli => "-br",
            Self::Zstd => "-zst",
        }
    }

    /// The coding called `name`, in any case; `x-gzip` is gzip (section 8.4.1.3).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()))
    }
}

/// What an `Accept-Encoding` field says: section 12.5.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptEncoding {
    /// The weights of the codings that are named, in the order of [`Coding::ALL`].
    named: [Option<Weight>; 4],
    /// The weight of `*`.
    others: Option<Weight>,
}

impl AcceptEncoding {
    /// Reads the field lines. Without any, or when they are malformed, only identity is acceptable.
    ///
    /// A coding that is named twice has the smaller of its weights.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::read(lines).unwrap_or_default()
    }

    fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut accept = Self::default();
        for member in members(lines) {
            let (name, parameters) = split_parameters(member.ok()?);
            let mut weight = None;
            for parameter in parameters {
                // A coding has no parameters but its weight.
                let before = weight.replace(weight_of(&parameter.ok()?)?);
                if before.is_some() {
                    return None;
                }
            }
            accept.add(name, weight.unwrap_or(FULL))?;
        }
        Some(accept)
    }

    fn add(&mut self, name: &[u8], weight: Weight) -> Option<()> {
        let slot = match Coding::from_name(name) {
            Some(coding) => &mut self.named[coding as usize],
            None if name == b"*" => &mut self.others,
            // A coding that we do not have.
            None => return is_token(name).then_some(()),
        };
        *slot = Some(slot.map_or(weight, |before| before.min(weight)));
        Some(())
    }

    /// How much the client would like `coding`; `None` when it said nothing of it.
    fn said(&self, coding: Coding) -> Option<Weight> {
        self.named[coding as usize].or(self.others)
    }

    /// Whether `coding` may be sent. What is not spoken of may not, but for identity.
    #[must_use]
    pub fn accepts(&self, coding: Coding) -> bool {
        self.said(coding).map_or(coding == Coding::Identity, |weight| weight > 0)
    }

    /// The best of `offered`, which comes in the order of our preference; identity is always on offer, last if not
    /// listed.
    ///
    /// Identity that the client did not speak of is chosen only when nothing else is acceptable. `None` when even
    /// identity is refused: send it all the same, or 406.
    #[must_use]
    pub fn choose(&self, offered: &[Coding]) -> Option<Coding> {
        let mut best = None;
        for &coding in offered.iter().chain(&[Coding::Identity]) {
            let weight = self.said(coding).unwrap_or(0);
            let heavier = best.is_none_or(|(_, heaviest)| weight > heaviest);
            if weight > 0 && heavier {
                best = Some((coding, weight));
            }
        }
        let unspoken = self.accepts(Coding::Identity).then_some(Coding::Identity);
        best.map(|(coding, _)| coding).or(unspoken)
    }
}

/// The best of `offered` content types by the lines of an `Accept` field: section 12.5.1.
///
/// `offered` are `type/subtype` without parameters, in the order of our preference. Of the media ranges that match a
/// type, the most specific one weighs it: `text/html`, then `text/html;level=1` (we send no such parameters, but a
/// client that names them likes the type), then `text/*`, then `*/*`. Without a field, or when it is malformed, the
/// choice is the first. `None` when nothing on offer is acceptable.
pub fn choose_type<'a, 'o, I>(lines: I, offered: &[&'o str]) -> Option<&'o str>
where
    I: IntoIterator<Item = &'a [u8]>,
    I::IntoIter: Clone,
{
    let lines = lines.into_iter();
    let default = offered.first().copied();
    let mut best: Option<(&str, Weight)> = None;
    for &candidate in offered {
        let weight = match weigh_type(lines.clone(), candidate) {
            Field::Absent | Field::Malformed => return default,
            Field::Weighs(weight) => weight,
        };
        if weight > 0 && best.is_none_or(|(_, heaviest)| weight > heaviest) {
            best = Some((candidate, weight));
        }
    }
    best.map(|(candidate, _)| candidate)
}

enum Field {
    Absent,
    Malformed,
    Weighs(Weight),
}

/// How much an `Accept` field likes `candidate`.
fn weigh_type<'a>(lines: impl Iterator<Item = &'a [u8]>, candidate: &str) -> Field {
    let mut absent = true;
    let mut best = (0, 0);
    for member in members(lines) {
        absent = false;
        let Some(found) = member.ok().and_then(|member| media_range(member, candidate.as_bytes())) else {
            return Field::Malformed;
        };
        if found.0 > best.0 {
            best = found;
        }
    }
    if absent { Field::Absent } else { Field::Weighs(best.1) }
}

/// How closely a media range matches `candidate`, from 0 (not at all) to 4, and its weight; `None` when it is none.
fn media_range(member: &[u8], candidate: &[u8]) -> Option<(u8, Weight)> {
    let (range, parameters) = split_parameters(member);
    let slash = memchr::memchr(b'/', range)?;
    let (kind, subtype) = (&range[..slash], &range[slash + 1..]);
    if !is_token(kind) || !is_token(subtype) || kind == b"*" && subtype != b"*" {
        return None;
    }
    let mut weight = None;
    let mut narrowed = false;
    for parameter in parameters {
        let parameter = parameter.ok()?;
        if weight.is_some() {
            // What older clients add behind the weight says nothing of the type.
        } else if parameter.is("q") {
            weight = Some(weight_of(&parameter)?);
        } else {
            narrowed = true;
        }
    }
    let same_kind = candidate.get(..=slash).is_some_and(|front| front.eq_ignore_ascii_case(&range[..=slash]));
    let closeness = match (kind, subtype) {
        (b"*", _) => 1,
        (_, b"*") if same_kind => 2,
        _ if range.eq_ignore_ascii_case(candidate) => 4 - u8::from(narrowed),
        _ => 0,
    };
    Some((closeness, weight.unwrap_or(FULL)))
}

/// The weight that a parameter `q` gives; `None` for another parameter, or when it is malformed.
fn weight_of(parameter: &Parameter<'_>) -> Option<Weight> {
    if parameter.is("q") { weight(&parameter.value) } else { None }
}

/// `qvalue`: 0 to 1, with at most three decimals.
fn weight(text: &[u8]) -> Option<Weight> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digit = |at: usize| {
        let digit = decimals.get(at).copied().unwrap_or(b'0');
        digit.is_ascii_digit().then(|| Weight::from(digit - b'0'))
    };
    let thousandths = digit(0)? * 100 + digit(1)? * 10 + digit(2)?;
    match (whole, thousandths) {
        (b'0', _) => Some(thousandths),
        (b'1', 0) => Some(FULL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity, Zstd};
    use super::*;

    #[test]
    fn a_weight_has_at_most_three_decimals_and_is_at_most_one() {
        let cases: [(&str, Option<Weight>); 24] = [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.0", Some(0)),
            ("0.000", Some(0)),
            ("0.001", Some(1)),
            ("0.01", Some(10)),
            ("0.5", Some(500)),
            ("0.85", Some(850)),
            ("0.999", Some(999)),
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("1.1", None),
            ("2", None),
            ("0.0000", None),
            ("0.1234", None),
            ("", None),
            (".5", None),
            ("-0.5", None),
            ("+1", None),
            ("00.5", None),
            ("0.5a", None),
            ("0,5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(weight(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn codings_have_names_of_their_own() {
        for coding in Coding::ALL {
            assert_eq!(Coding::from_name(coding.name().as_bytes()), Some(coding));
            assert_eq!(Coding::from_name(coding.name().to_uppercase().as_bytes()), Some(coding));
            assert_eq!(Coding::ALL[coding as usize], coding);
            let plain = coding == Identity;
            assert_eq!(coding.file_suffix().is_empty(), plain);
            assert_eq!(coding.etag_suffix().is_empty(), plain);
            let twins =
                Coding::ALL.iter().filter(|other| other.etag_suffix() == coding.etag_suffix()).count();
            assert_eq!(twins, 1, "each coding has its own tag");
        }
        assert_eq!(Coding::from_name(b"X-GZip"), Some(Gzip));
        assert_eq!(Coding::from_name(b"deflate"), None);
        assert_eq!(Coding::from_name(b"*"), None);
        assert_eq!(Coding::from_name(b""), None);
    }

    fn choose(lines: &[&str], offered: &[Coding]) -> Option<Coding> {
        AcceptEncoding::parse(lines.iter().map(|line| line.as_bytes())).choose(offered)
    }

    #[test]
    fn the_heaviest_coding_on_offer_is_chosen() {
        let cases: [(&str, Option<Coding>); 25] = [
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip, zstd", Some(Zstd)),
            ("br;q=1, gzip;q=0.8", Some(Brotli)),
            ("br;q=0.5, gzip;q=0.8", Some(Gzip)),
            ("br ; q=0.5 , gzip\t;\tQ=0.501", Some(Gzip)),
            ("br;q=0.001", Some(Brotli)),
            ("br;q=0", Some(Identity)),
            ("br;q=0, gzip;q=0.000", Some(Identity)),
            ("deflate", Some(Identity)),
            ("deflate;q=1, gzip;q=0.1", Some(Gzip)),
            ("", Some(Identity)),
            // The star stands for what is not named.
            ("*", Some(Brotli)),
            ("*, br;q=0", Some(Zstd)),
            ("*;q=0.1, gzip;q=0.2", Some(Gzip)),
            ("gzip;q=0.5, *;q=0", Some(Gzip)),
            ("*;q=0", None),
            ("*;q=0, identity", Some(Identity)),
            // Identity is weighed when it is named, and the last resort when not.
            ("identity", Some(Identity)),
            ("identity, gzip;q=0.5", Some(Identity)),
            ("identity;q=0.5, gzip", Some(Gzip)),
            ("identity, gzip", Some(Gzip)),
            ("identity;q=0", None),
        ];
        for (line, expected) in cases {
            assert_eq!(choose(&[line], &SMALLEST_FIRST), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_on_offer_is_not_chosen() {
        let cases: [(&str, &[Coding], Option<Coding>); 8] = [
            ("br, gzip", &[Gzip], Some(Gzip)),
            ("br, gzip", &[], Some(Identity)),
            ("br", &[Gzip, Zstd], Some(Identity)),
            ("br, identity;q=0", &[Gzip, Zstd], None),
            ("*", &[], Some(Identity)),
            // The order of the offer is the server's preference, identity included.
            ("br, gzip, zstd", &[Zstd, Gzip, Brotli], Some(Zstd)),
            ("gzip, identity", &[Identity, Gzip], Some(Identity)),
            ("gzip", &[Identity, Gzip], Some(Gzip)),
        ];
        for (line, offered, expected) in cases {
            assert_eq!(choose(&[line], offered), expected, "{line} of {offered:?}");
        }
    }

    #[test]
    fn lines_are_one_list() {
        assert_eq!(choose(&["gzip;q=0.5", "br;q=0.4"], &SMALLEST_FIRST), Some(Gzip));
        assert_eq!(choose(&[], &SMALLEST_FIRST), Some(Identity));
        assert_eq!(choose(&["", ", gzip,"], &SMALLEST_FIRST), Some(Gzip));
    }

    #[test]
    fn a_coding_named_twice_has_its_smaller_weight() {
        assert_eq!(choose(&["gzip;q=0, gzip"], &SMALLEST_FIRST), Some(Identity));
        assert_eq!(choose(&["gzip, x-gzip;q=0"], &SMALLEST_FIRST), Some(Identity));
        assert_eq!(choose(&["br, gzip, br;q=0.3"], &SMALLEST_FIRST), Some(Gzip));
    }

    #[test]
    fn a_malformed_field_counts_as_absent() {
        let wrong = [
            "gzip;q=2",
            "gzip;q",
            "gzip;q=",
            "gzip;q=0.1234",
            "gzip;q=-1",
            "gzip;x=1",
            "gzip;q=1;q=1",
            "gzip q=1",
            "gz/ip",
            "\"gzip\"",
            ";q=1",
            "gzip;q=\"1",
            "gzip, \"",
        ];
        for member in wrong {
            let line = format!("br, {member}, identity;q=0");
            assert_eq!(choose(&[&line], &SMALLEST_FIRST), Some(Identity), "{line}");
        }
        let commas = ",".repeat(100);
        assert_eq!(choose(&[&format!("{commas}gzip")], &SMALLEST_FIRST), Some(Identity));
    }

    #[test]
    fn accepts_is_true_of_what_has_weight() {
        let accept = AcceptEncoding::parse([&b"gzip;q=0.1, br;q=0"[..]]);
        let accepted = Coding::ALL.map(|coding| accept.accepts(coding));
        assert_eq!(accepted, [true, true, false, false]);
        let accept = AcceptEncoding::parse([&b"identity;q=0, *;q=0.1"[..]]);
        assert_eq!(Coding::ALL.map(|coding| accept.accepts(coding)), [false, true, true, true]);
    }

    const HTML: &str = "text/html";
    const JSON: &str = "application/json";

    fn choose_page(lines: &[&str]) -> Option<&'static str> {
        choose_type(lines.iter().map(|line| line.as_bytes()), &[HTML, JSON])
    }

    #[test]
    fn a_listing_is_html_or_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        let cases = [
            (browser, Some(HTML)),
            ("*/*", Some(HTML)),
            ("application/json", Some(JSON)),
            ("APPLICATION/JSON", Some(JSON)),
            ("application/json, text/plain, */*", Some(HTML)),
            ("application/json, */*;q=0.5", Some(JSON)),
            ("application/json;charset=utf-8", Some(JSON)),
            ("application/*", Some(JSON)),
            ("text/*;q=0.5, application/*;q=0.6", Some(JSON)),
            ("text/html;q=0.5, application/json;q=0.5", Some(HTML)),
            ("text/html;q=0, */*", Some(JSON)),
            ("text/*;q=0, text/html, application/json;q=0.1", Some(HTML)),
            ("*/*;q=0.1, text/html;q=0", Some(JSON)),
            ("image/png", None),
            ("text/html;q=0, application/json;q=0", None),
            ("*/*;q=0", None),
            ("text/htm, text/html5, tex/html, text/plain", None),
            ("application/json ; q=0.9 ; ext=1 , text/html ; q=0.8", Some(JSON)),
            ("text/html;x=\"a,b;q=0\"", Some(HTML)),
        ];
        for (line, expected) in cases {
            assert_eq!(choose_page(&[line]), expected, "{line}");
        }
    }

    #[test]
    fn the_most_specific_range_weighs_a_type() {
        // After the example of section 12.5.1.
        let line = "text/*;q=0.3, text/html;q=0.7, text/html;level=1, */*;q=0.5";
        let weighed = |candidate| match weigh_type([line.as_bytes()].into_iter(), candidate) {
            Field::Weighs(weight) => Some(weight),
            _ => None,
        };
        assert_eq!(weighed("text/html"), Some(700));
        assert_eq!(weighed("text/plain"), Some(300));
        assert_eq!(weighed("image/jpeg"), Some(500));
    }

    #[test]
    fn without_a_readable_accept_field_the_first_is_chosen() {
        assert_eq!(choose_page(&[]), Some(HTML));
        assert_eq!(choose_page(&[""]), Some(HTML));
        for wrong in ["json", "*/json", "a/b/c", "/", "a/", "/b", "a/b;q=2", "a/b;c", "a/b;c=\"", "a b/c"] {
            assert_eq!(choose_page(&[&format!("application/json, {wrong}")]), Some(HTML), "{wrong}");
        }
        assert_eq!(choose_type([&b"*/*"[..]], &[]), None);
        assert_eq!(choose_page(&["application/json;q=0.9", "text/html;q=0.8"]), Some(JSON));
    }

    #[test]
    fn every_weight_is_read_at_every_length() {
        for thousandths in 0..=1000 {
            let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            assert_eq!(weight(text.as_bytes()), Some(thousandths), "{text}");
            let short = text.trim_end_matches('0');
            assert_eq!(weight(short.as_bytes()), Some(thousandths), "{short}");
        }
        for thousandths in 1001..2000 {
            let text = format!("1.{:03}", thousandths % 1000);
            assert_eq!(weight(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_choice_is_acceptable_and_none_is_better() {
        let weights = [None, Some(0), Some(400), Some(1000)];
        let names = ["identity", "gzip", "br", "zstd", "*"];
        for n in 0..4_usize.pow(5) {
            let said: [Option<Weight>; 5] = std::array::from_fn(|at| weights[n / 4_usize.pow(at as u32) % 4]);
            let member = |(name, weight): (&str, Option<Weight>)| {
                weight.map(|weight| format!("{name};q={}.{:03}", weight / 1000, weight % 1000))
            };
            let line = names.into_iter().zip(said).filter_map(member).collect::<Vec<_>>().join(", ");
            let weighed = |coding: Coding| said[coding as usize].or(said[4]);
            match choose(&[&line], &SMALLEST_FIRST) {
                None => {
                    assert_eq!(weighed(Identity), Some(0), "{line}");
                    assert!(SMALLEST_FIRST.iter().all(|&coding| weighed(coding).unwrap_or(0) == 0), "{line}");
                }
                Some(chosen) => {
                    assert_ne!(weighed(chosen), Some(0), "{line}");
                    assert!(chosen == Identity || weighed(chosen).is_some(), "{line}");
                    let ours = weighed(chosen).unwrap_or(0);
                    let mut before = true;
                    for coding in SMALLEST_FIRST {
                        before &= coding != chosen;
                        let weight = weighed(coding).unwrap_or(0);
                        let wins = if before { weight < ours || weight == 0 } else { weight <= ours };
                        assert!(wins, "{line}: {coding:?} was to be preferred to {chosen:?}");
                    }
                }
            }
        }
    }
}
