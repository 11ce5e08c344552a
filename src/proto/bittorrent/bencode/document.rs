//! Reading: a flat list of tokens over the bytes.

use super::Fault;

/// What a document may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, at most 4 GiB.
    pub bytes: usize,
    /// Levels of lists and dictionaries.
    pub depth: usize,
    /// Values in all, keys among them.
    pub values: usize,
}

impl Default for Limits {
    /// Of a file of metainfo: 64 MiB, 64 levels, and 3 million values, as torrents of a million files have them. libtorrent takes 100 levels and 3 million
    /// (`load_torrent_limits`).
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 64, values: 3_000_000 }
    }
}

impl Limits {
    /// Of a message: 64 KiB, 16 levels, 4,096 values.
    pub const MESSAGE: Self = Self { bytes: 64 << 10, depth: 16, values: 4096 };
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Bytes,
    List,
    /// Whether its keys are in order.
    Dictionary(bool),
}

/// A value: where it is, and how many values it has with itself.
#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    /// Bytes in front of the content of a string.
    head: u8,
    start: u32,
    end: u32,
    count: u32,
}

/// Bencode that was read: one value.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    bytes: &'a [u8],
    tokens: Vec<Token>,
}

/// A list or a dictionary that has not ended.
struct Open {
    token: usize,
    /// The last key, and whether its value is awaited.
    key: Option<(usize, bool)>,
    sorted: bool,
}

impl<'a> Document<'a> {
    /// Reads one value, behind which nothing may follow.
    ///
    /// # Errors
    /// It is not bencode, or beyond a limit.
    pub fn read(bytes: &'a [u8], limits: Limits) -> Result<Self, Fault> {
        let (document, rest) = Self::prefix(bytes, limits)?;
        if rest.is_empty() { Ok(document) } else { Err(Fault::Trailing { at: bytes.len() - rest.len() }) }
    }

    /// Reads the value in front, and has what follows it: messages of `ut_metadata` are such (BEP 9).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn prefix(bytes: &'a [u8], limits: Limits) -> Result<(Self, &'a [u8]), Fault> {
        if bytes.len() > limits.bytes.min(u32::MAX as usize) {
            return Err(Fault::Long { limit: limits.bytes });
        }
        let mut reader = Reader { bytes, at: 0, tokens: Vec::new(), open: Vec::new(), limits };
        while reader.step()? {}
        let Reader { at, tokens, .. } = reader;
        Ok((Self { bytes: &bytes[..at], tokens }, &bytes[at..]))
    }

    /// The value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { bytes: self.bytes, tokens: &self.tokens }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
    open: Vec<Open>,
    limits: Limits,
}

impl Reader<'_> {
    /// Reads a token, or the end of a list or a dictionary; whether something has to follow.
    fn step(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        let first = *self.bytes.get(start).ok_or(Fault::Cut)?;
        if first == b'e' {
            self.close()?;
            return Ok(!self.open.is_empty());
        }
        if self.tokens.len() >= self.limits.values {
            return Err(Fault::Many { limit: self.limits.values });
        }
        let is_key = self.is_key();
        if is_key && !first.is_ascii_digit() {
            return Err(Fault::Key { at: start });
        }
        let token = self.tokens.len();
        match first {
            b'd' | b'l' => {
                if self.open.len() >= self.limits.depth {
                    return Err(Fault::Deep { at: start, limit: self.limits.depth });
                }
                let kind = if first == b'l' { Kind::List } else { Kind::Dictionary(true) };
                self.at += 1;
                self.push(kind, start, 0);
                self.took();
                self.open.push(Open { token, key: None, sorted: true });
            }
            b'i' => {
                self.at += 1;
                self.number(b'e', true)?;
                self.push(Kind::Integer, start, 0);
                self.took();
            }
            b'0'..=b'9' => {
                let length = self.number(b':', false)?;
                let head = self.at - start;
                let length = usize::try_from(length).map_err(|_| Fault::Number { at: start })?;
                if length > self.bytes.len() - self.at {
                    return Err(Fault::Cut);
                }
                self.at += length;
                // A number of 64 bits has 20 digits at most.
                self.push(Kind::Bytes, start, u8::try_from(head).map_err(|_| Fault::Large { at: start })?);
                if is_key { self.key(token)? } else { self.took() }
            }
            _ => return Err(Fault::NoValue { at: start }),
        }
        Ok(!self.open.is_empty())
    }

    fn push(&mut self, kind: Kind, start: usize, head: u8) {
        // The limit on bytes is one that 32 bits hold.
        self.tokens.push(Token { kind, head, start: start as u32, end: self.at as u32, count: 1 });
    }

    /// Whether a key comes next.
    fn is_key(&self) -> bool {
        self.open.last().is_some_and(|open| {
            matches!(self.tokens[open.token].kind, Kind::Dictionary(_))
                && open.key.is_none_or(|(_, awaited)| !awaited)
        })
    }

    /// A value is there.
    fn took(&mut self) {
        if let Some(Open { key: Some((_, awaited)), .. }) = self.open.last_mut() {
            *awaited = false;
        }
    }

    /// A key is there.
    fn key(&mut self, token: usize) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        if let Some((before, _)) = open.key {
            let content = |token: usize| content(self.bytes, &self.tokens[token]);
            match content(before).cmp(content(token)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return Err(Fault::Repeated { at: self.tokens[token].start as usize });
                }
                std::cmp::Ordering::Greater => open.sorted = false,
            }
        }
        open.key = Some((token, true));
        Ok(())
    }

    /// A list or a dictionary ends.
    fn close(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let open = self.open.pop().ok_or(Fault::NoValue { at })?;
        if open.key.is_some_and(|(_, awaited)| awaited) {
            return Err(Fault::Lonely { at });
        }
        self.at += 1;
        // Every value has a byte.
        let count = (self.tokens.len() - open.token) as u32;
        let token = &mut self.tokens[open.token];
        (token.end, token.count) = (self.at as u32, count);
        if !open.sorted {
            token.kind = Kind::Dictionary(false);
            self.unique(open.token)?;
        }
        Ok(())
    }

    /// Looks whether keys that are not in order are all different.
    fn unique(&self, token: usize) -> Result<(), Fault> {
        let dictionary = Value { bytes: self.bytes, tokens: &self.tokens[token..] };
        let entries = dictionary.entries().into_iter().flat_map(|entries| entries.0.step_by(2));
        let mut keys: Vec<_> = entries.map(|key| (key.bytes(), key.token().start as usize)).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Fault::Repeated { at: pair[1].1 }),
            None => Ok(()),
        }
    }

    /// A number up to `end`, in its only spelling.
    fn number(&mut self, end: u8, signed: bool) -> Result<i64, Fault> {
        let start = self.at;
        // A sign, 19 digits, and the end; what is longer is no number that anybody needs.
        let window = &self.bytes[start..self.bytes.len().min(start + 21)];
        let Some(length) = window.iter().position(|byte| *byte == end) else {
            let digits = window.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
            return Err(match digits {
                true if window.len() == 21 => Fault::Large { at: start },
                true => Fault::Cut,
                false => Fault::Number { at: start },
            });
        };
        let text = &window[..length];
        let digits = text.strip_prefix(b"-").filter(|_| signed).unwrap_or(text);
        let canonical = match digits {
            [] => false,
            [b'0'] => digits.len() == text.len(),
            [b'0', ..] => false,
            _ => digits.iter().all(u8::is_ascii_digit),
        };
        if !canonical {
            return Err(Fault::Number { at: start });
        }
        let text = std::str::from_utf8(text).map_err(|_| Fault::Number { at: start })?;
        let number = text.parse().map_err(|_| Fault::Large { at: start })?;
        self.at += length + 1;
        Ok(number)
    }
}

fn content<'a>(bytes: &'a [u8], token: &Token) -> &'a [u8] {
    &bytes[token.start as usize + usize::from(token.head)..token.end as usize]
}

/// A value in a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// Those of the document.
    bytes: &'a [u8],
    /// Its own, then those within.
    tokens: &'a [Token],
}

impl<'a> Value<'a> {
    fn token(self) -> Token {
        self.tokens[0]
    }

    /// Its bytes, as they were received.
    #[must_use]
    pub fn span(self) -> &'a [u8] {
        &self.bytes[self.token().start as usize..self.token().end as usize]
    }

    /// The string, if it is one.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        (self.token().kind == Kind::Bytes).then(|| content(self.bytes, &self.token()))
    }

    /// The string, if it is one in UTF-8.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The integer, if it is one.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        let span = self.span();
        let digits = span.get(1..span.len() - 1).filter(|_| self.token().kind == Kind::Integer)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The integer, if it is one that is not negative.
    #[must_use]
    pub fn size(self) -> Option<u64> {
        self.integer()?.try_into().ok()
    }

    /// The values of the list, if it is one.
    #[must_use]
    pub fn items(self) -> Option<Items<'a>> {
        (self.token().kind == Kind::List).then(|| self.within())
    }

    /// The keys and values of the dictionary, if it is one, in the order in which they were received.
    #[must_use]
    pub fn entries(self) -> Option<Entries<'a>> {
        matches!(self.token().kind, Kind::Dictionary(_)).then(|| Entries(self.within()))
    }

    /// The value of a key of the dictionary, if it is one and has it.
    #[must_use]
    pub fn get(self, key: impl AsRef<[u8]>) -> Option<Self> {
        let key = key.as_ref();
        self.entries()?.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether it is written as everybody would write it: the keys of all dictionaries in it are in order.
    #[must_use]
    pub fn is_canonical(self) -> bool {
        let all = &self.tokens[..self.token().count as usize];
        all.iter().all(|token| token.kind != Kind::Dictionary(false))
    }

    fn within(self) -> Items<'a> {
        Items { bytes: self.bytes, tokens: &self.tokens[1..self.token().count as usize] }
    }
}

/// The values of a list, one after the other.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    bytes: &'a [u8],
    tokens: &'a [Token],
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let count = self.tokens.first()?.count as usize;
        let (own, rest) = self.tokens.split_at(count);
        self.tokens = rest;
        Some(Value { bytes: self.bytes, tokens: own })
    }
}

/// The keys and values of a dictionary, one after the other.
#[derive(Clone, Debug)]
pub struct Entries<'a>(Items<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?.bytes()?;
        Some((key, self.0.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Document<'_>, Fault> {
        Document::read(text.as_bytes(), Limits::default())
    }

    #[test]
    fn values() {
        let document = read("d1:ai-7e1:bl0:4:spamee").unwrap();
        let root = document.root();
        assert_eq!(root.get("a").unwrap().integer(), Some(-7));
        assert_eq!(root.get("a").unwrap().size(), None);
        let items: Vec<_> =
            root.get("b").unwrap().items().unwrap().map(|item| item.text().unwrap()).collect();
        assert_eq!(items, ["", "spam"]);
        assert_eq!(root.get("b").unwrap().span(), b"l0:4:spame");
        assert!(root.get("c").is_none() && root.get("a").unwrap().get("a").is_none());
        assert!(root.is_canonical() && root.items().is_none() && root.bytes().is_none());
    }

    #[test]
    fn the_faults() {
        let many = "l".repeat(65);
        for (text, fault) in [
            ("", Fault::Cut),
            ("i12", Fault::Cut),
            ("4:spa", Fault::Cut),
            ("99", Fault::Cut),
            ("d1:a", Fault::Cut),
            ("l", Fault::Cut),
            ("e", Fault::NoValue { at: 0 }),
            ("x", Fault::NoValue { at: 0 }),
            ("-1:", Fault::NoValue { at: 0 }),
            ("ie", Fault::Number { at: 1 }),
            ("i-e", Fault::Number { at: 1 }),
            ("i-0e", Fault::Number { at: 1 }),
            ("i00e", Fault::Number { at: 1 }),
            ("i-03e", Fault::Number { at: 1 }),
            ("i+3e", Fault::Number { at: 1 }),
            ("i1-2e", Fault::Number { at: 1 }),
            ("i 1e", Fault::Number { at: 1 }),
            ("01:a", Fault::Number { at: 0 }),
            ("1a", Fault::Number { at: 0 }),
            ("i9223372036854775808e", Fault::Large { at: 1 }),
            ("i1234567890123456789012e", Fault::Large { at: 1 }),
            ("99999999999999999999:", Fault::Large { at: 0 }),
            ("9223372036854775807:", Fault::Cut),
            ("di1ei2ee", Fault::Key { at: 1 }),
            ("dlei2ee", Fault::Key { at: 1 }),
            ("d1:ae", Fault::Lonely { at: 4 }),
            ("d1:ai1e1:ai2ee", Fault::Repeated { at: 7 }),
            ("d1:bi1e1:ai1e1:bi2ee", Fault::Repeated { at: 13 }),
            ("i1ei2e", Fault::Trailing { at: 3 }),
            ("le ", Fault::Trailing { at: 2 }),
            (&many, Fault::Deep { at: 64, limit: 64 }),
        ] {
            assert_eq!(read(text).unwrap_err(), fault, "{text}");
        }
        let limits = Limits { bytes: 10, depth: 2, values: 3 };
        assert_eq!(Document::read(b"10:0123456789", limits).unwrap_err(), Fault::Long { limit: 10 });
        assert_eq!(Document::read(b"li1ei1ei1e", limits).unwrap_err(), Fault::Many { limit: 3 });
        assert!(Document::read(b"li1ei1ee", limits).is_ok());
    }

    #[test]
    fn keys_that_are_not_in_order_are_read_and_told() {
        let document = read("d1:bd1:zi1e1:yi2ee1:ai3ee").unwrap();
        assert!(!document.root().is_canonical());
        assert_eq!(document.root().get("a").unwrap().integer(), Some(3));
        let document = read("d1:ad1:zi1e1:yi2ee1:bi3ee").unwrap();
        assert!(!document.root().is_canonical(), "as one in it is not");
        assert!(document.root().get("b").unwrap().is_canonical());
        assert!(!document.root().get("a").unwrap().is_canonical());
    }

    #[test]
    fn what_follows_a_value_is_left() {
        let (document, rest) = Document::prefix(b"d5:piecei0eedata", Limits::MESSAGE).unwrap();
        assert_eq!((document.root().get("piece").unwrap().size(), rest), (Some(0), &b"data"[..]));
    }

    #[test]
    fn extreme_integers() {
        for number in [i64::MIN, -1, 0, i64::MAX] {
            let text = format!("i{number}e");
            assert_eq!(read(&text).unwrap().root().integer(), Some(number));
        }
    }
}
