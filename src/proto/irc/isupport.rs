//! `005` RPL_ISUPPORT: what a server supports, as tokens (Modern IRC, "RPL_ISUPPORT Parameters").

/// Tokens of a line at most: with the client's name and the text there are 15 parameters.
const PER_LINE: usize = 13;

/// Bytes of the tokens of a line at most, so that it fits whatever the names of server and client are.
const MAX_BYTES: usize = 380;

/// Tokens in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(Vec<String>);

impl Tokens {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token without a value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.0.push(name.to_owned());
        self
    }

    /// Adds a token with a value, in which what would end it is escaped as `\xHH`.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let mut token = format!("{name}=");
        for found in value.to_string().chars() {
            match found {
                ' ' | '=' | '\\' | '\0'..='\x1f' => token.push_str(&format!("\\x{:02X}", found as u32)),
                other => token.push(other),
            }
        }
        self.0.push(token);
        self
    }

    /// The tokens of each line.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<&str>> {
        let mut lines: Vec<Vec<&str>> = Vec::new();
        let mut bytes = 0;
        for token in &self.0 {
            match lines.last_mut() {
                Some(line) if line.len() < PER_LINE && bytes + token.len() < MAX_BYTES => line.push(token),
                _ => {
                    lines.push(vec![token]);
                    bytes = 0;
                }
            }
            bytes += token.len() + 1;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_values_or_none() {
        let tokens =
            Tokens::new().flag("WHOX").value("NICKLEN", 32).value("NETWORK", "A B=c\\").value("EMPTY", "");
        assert_eq!(tokens.lines(), [["WHOX", "NICKLEN=32", "NETWORK=A\\x20B\\x3Dc\\x5C", "EMPTY="]]);
    }

    #[test]
    fn a_line_has_thirteen_tokens_and_fits() {
        let tokens = (0..30).fold(Tokens::new(), |tokens, at| tokens.value("T", at));
        assert_eq!(tokens.lines().iter().map(Vec::len).collect::<Vec<_>>(), [13, 13, 4]);
        let long = (0..5).fold(Tokens::new(), |tokens, _| tokens.value("T", "x".repeat(150)));
        assert_eq!(long.lines().iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(Tokens::new().lines().is_empty());
    }
}
