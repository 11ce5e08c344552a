//! Which addresses are talked to: lists of ranges that are not, in the formats that people have them in.
//!
//! A line is one of
//!
//! - `NAME:1.2.3.0-1.2.3.255`, as PeerGuardian has it (`.p2p`);
//! - `001.002.003.000 - 001.002.003.255 , 000 , NAME`, as eMule has it (`.dat`), where a number above 127 lets the range pass;
//! - an address or a prefix alone, `1.2.3.0/24` or `2001:db8::/32`.
//!
//! Empty lines, and those that begin with `#` or `//`, say nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Ranges that are not talked to; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpFilter {
    /// In order, and none touches another. Addresses of IPv4 are where they are mapped to in IPv6.
    ranges: Vec<(u128, u128)>,
}

/// From this number on, a range of the format of eMule may pass.
const PASSES: u32 = 128;

/// A line that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text:?} is no range of addresses")]
pub struct FilterError {
    /// Its number, from 1.
    pub line: usize,
    /// How it begins.
    pub text: String,
}

impl IpFilter {
    /// Reads a list.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn read(text: &str) -> Result<Self, FilterError> {
        let mut ranges = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
                continue;
            }
            let wrong = || FilterError { line: number, text: line.chars().take(60).collect() };
            ranges.extend(range(line).ok_or_else(wrong)?);
        }
        Ok(Self::of(ranges))
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether all addresses pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether an address may be talked to.
    #[must_use]
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = number(ip);
        let behind = self.ranges.partition_point(|(first, _)| *first <= ip);
        behind.checked_sub(1).and_then(|at| self.ranges.get(at)).is_none_or(|(_, last)| *last < ip)
    }

    /// Puts ranges in order, and makes one of those that touch.
    fn of(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { ranges: merged }
    }
}

/// The range of a line: `None` if it is no range, and `Some(None)` if it may pass.
fn range(line: &str) -> Option<Option<(u128, u128)>> {
    if let Ok(prefix) = line.parse::<IpNet>() {
        return Some(Some((number(prefix.network()), number(prefix.broadcast()))));
    }
    if let Some(ip) = address(line) {
        return Some(Some((number(ip), number(ip))));
    }
    let mut parts = line.splitn(3, ',');
    let (addresses, access) = (parts.next()?, parts.next());
    // A name may have colons and dashes itself.
    let (addresses, access) = match (addresses.split_once('-'), access) {
        (Some((first, _)), Some(access)) if address(first).is_some() => {
            (addresses, access.trim().parse().ok())
        }
        _ => (line.rsplit_once(':').map_or(line, |(_, addresses)| addresses), None),
    };
    let (first, last) = addresses.split_once('-')?;
    let (first, last) = (number(address(first)?), number(address(last)?));
    let passes = access.is_some_and(|access: u32| access >= PASSES);
    (first <= last).then_some((!passes).then_some((first, last)))
}

/// An address, also one whose parts have zeros in front.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        [a, b, c, d] => {
            let part = |text: &str| text.parse::<u8>().ok().filter(|_| text.len() <= 3);
            Some(Ipv4Addr::new(part(a)?, part(b)?, part(c)?, part(d)?).into())
        }
        _ => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_read() {
        let list = "\
# a list
// of three formats
Some: name - with all:1.2.3.0-1.2.3.255

004.000.000.000 - 004.000.000.009 , 000 , Bad, very
005.000.000.000 - 005.000.000.009 , 200 , Good
6.6.6.6
7.0.0.0/8
2001:db8::/32
";
        let filter = IpFilter::read(list).unwrap();
        assert_eq!(filter.len(), 5);
        for (ip, passes) in [
            ("1.2.2.255", true),
            ("1.2.3.0", false),
            ("1.2.3.255", false),
            ("1.2.4.0", true),
            ("4.0.0.9", false),
            ("5.0.0.1", true),
            ("6.6.6.6", false),
            ("::ffff:6.6.6.6", false),
            ("7.200.0.1", false),
            ("2001:db8::1", false),
            ("2001:db9::1", true),
            ("::", true),
        ] {
            assert_eq!(filter.allows(ip.parse().unwrap()), passes, "{ip}");
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let filter = IpFilter::read("1.0.0.5-1.0.0.9\n1.0.0.0-1.0.0.4\n1.0.0.2-1.0.0.7\n1.0.0.11").unwrap();
        assert_eq!(filter.len(), 2);
        assert!(filter.allows("1.0.0.10".parse().unwrap()));
        assert!(IpFilter::default().allows("1.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_range_is_named() {
        for wrong in ["1.2.3", "1.2.3.9-1.2.3.0", "name:1.2.3.4", "1.2.3.256", "a-b , 0 , c", "1.2.3.4/33"] {
            let error = IpFilter::read(&format!("1.1.1.1\n{wrong}")).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, wrong));
        }
    }
}
