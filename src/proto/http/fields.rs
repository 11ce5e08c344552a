//! Fields that we send, and trailers that we got: a short list in order, with the `http` crate's checked names and values.
//!
//! A reply has a handful of fields. A list of them costs one allocation, and a search through it less than a hash.
//! [`HeaderName`] and [`HeaderValue`] cannot hold CR, LF or NUL, so no field can split a reply.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::FieldLines;

/// A list of field lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    /// An empty list, which holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty list with room for so many lines.
    #[must_use]
    pub fn with_capacity(lines: usize) -> Self {
        Self(Vec::with_capacity(lines))
    }

    /// Adds a line, beside lines of the same name.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Sets a field to one line, in place of all lines of that name.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        if let Some(at) = self.0.iter().position(|(field, _)| *field == name) {
            self.0[at].1 = value;
            let mut index = 0;
            self.0.retain(|(field, _)| {
                index += 1;
                index <= at + 1 || *field != name
            });
        } else {
            self.append(name, value);
        }
    }

    /// Removes all lines of a name, and says whether there was one.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        let before = self.0.len();
        self.0.retain(|(field, _)| field != name);
        self.0.len() < before
    }

    /// The first line of a name, given in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&HeaderValue> {
        self.iter().find(|(field, _)| field.as_str().eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether there is a line of that name.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// All lines, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self(Vec::with_capacity(map.len()));
        let mut last = None;
        for (name, value) in map {
            // The map gives a name with the first of its values only.
            last = name.or(last);
            if let Some(name) = &last {
                fields.append(name.clone(), value);
            }
        }
        fields
    }
}

impl From<Fields> for HeaderMap {
    fn from(fields: Fields) -> Self {
        let mut map = Self::with_capacity(fields.len());
        for (name, value) in fields.0 {
            map.append(name, value);
        }
        map
    }
}

impl FieldLines for Fields {
    fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(field, _)| field.as_str().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ETAG, SET_COOKIE, VARY};

    use super::*;

    #[test]
    fn lines_keep_their_order_and_set_replaces_all_of_a_name() {
        let mut fields = Fields::new();
        fields.append(SET_COOKIE, HeaderValue::from_static("a"));
        fields.append(VARY, HeaderValue::from_static("v"));
        fields.append(SET_COOKIE, HeaderValue::from_static("b"));
        assert_eq!(fields.find("Set-Cookie").unwrap(), "a");
        assert_eq!(fields.lines("set-cookie").count(), 2);
        fields.set(SET_COOKIE, HeaderValue::from_static("c"));
        fields.set(ETAG, HeaderValue::from_static("e"));
        let lines: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(lines, [("set-cookie", "c"), ("vary", "v"), ("etag", "e")]);
        assert!(fields.remove(&VARY) && !fields.remove(&VARY) && !fields.contains(&VARY));
    }

    #[test]
    fn a_header_map_and_back() {
        let mut map = HeaderMap::new();
        map.append(SET_COOKIE, HeaderValue::from_static("a"));
        map.append(SET_COOKIE, HeaderValue::from_static("b"));
        map.append(VARY, HeaderValue::from_static("v"));
        let fields = Fields::from(map.clone());
        assert_eq!(fields.len(), 3);
        assert_eq!(HeaderMap::from(fields), map);
    }
}
