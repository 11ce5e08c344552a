//! `[admin]`: the API, the status page and the metrics.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use crate::net::addr::ListenAddr;

/// The shortest token, in bytes: 16 random letters and digits have 95 bits.
pub const SHORTEST_TOKEN: usize = 16;

/// The `[admin]` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AdminTable {
    pub(super) listen: Option<ListenAddr>,
    pub(super) metrics: Option<ListenAddr>,
    pub(super) token_file: Option<Spanned<PathBuf>>,
}

/// The settings of the API, the status page and the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// The address of the API and the status page.
    pub listen: Option<ListenAddr>,
    /// The address of the metrics alone.
    pub metrics: Option<ListenAddr>,
    /// The token that allows changes.
    pub token: Option<Token>,
}

impl Admin {
    /// Whether both are at the same addresses.
    #[must_use]
    pub fn has_addresses_of(&self, other: &Self) -> bool {
        (&self.listen, &self.metrics) == (&other.listen, &other.metrics)
    }
}

/// A secret token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Arc<str>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Checker<'_> {
    pub(super) fn admin(&mut self, table: &Spanned<AdminTable>) -> Admin {
        let at = table.span();
        let AdminTable { listen, metrics, token_file } = table.get_ref();
        if listen.is_none() && metrics.is_none() {
            self.fault(&at, "[admin] needs an address: `listen`, or `metrics`, or both");
        }
        if let (None, Some(file)) = (listen, token_file) {
            self.fault(&file.span(), "token-file needs the API: set `listen`");
        }
        let token = token_file.as_ref().and_then(|file| self.token(file));
        Admin { listen: listen.clone(), metrics: metrics.clone(), token }
    }

    fn token(&mut self, file: &Spanned<PathBuf>) -> Option<Token> {
        let path = file.get_ref().display();
        match std::fs::read_to_string(file.get_ref()) {
            Err(error) => self.fault(&file.span(), format!("cannot read {path}: {error}")),
            Ok(text) if text.trim().len() < SHORTEST_TOKEN => {
                self.fault(
                    &file.span(),
                    format!("the token in {path} is shorter than {SHORTEST_TOKEN} bytes"),
                );
            }
            Ok(text) if !text.trim().bytes().all(|byte| byte.is_ascii_graphic()) => {
                self.fault(
                    &file.span(),
                    format!("the token in {path} has characters other than visible ASCII"),
                );
            }
            Ok(text) => return Some(Token(text.trim().into())),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const REST: &str =
        "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\n[admin]\n";

    #[test]
    fn tokens_are_read_and_have_a_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = folder.path().join("token");
            std::fs::write(&path, text).unwrap();
            format!("{REST}listen = \":2\"\ntoken-file = {path:?}\n")
        };
        let config = Config::parse(&file("0123456789abcdef\n")).unwrap();
        assert_eq!(&*config.admin.token.unwrap().0, "0123456789abcdef");
        for (text, expected) in
            [("short", "is shorter than 16 bytes"), ("0123456789 abcdef", "visible ASCII")]
        {
            let faults = Config::parse(&file(text)).unwrap_err();
            assert!(faults.len() == 1 && faults[0].message.contains(expected), "{faults:?}");
        }
    }

    #[test]
    fn what_does_not_fit() {
        for (text, expected) in [
            ("", "[admin] needs an address"),
            ("metrics = \":2\"\ntoken-file = \"/nonexistent\"\n", "needs the API"),
            ("listen = \":2\"\ntoken-file = \"/nonexistent\"\n", "cannot read /nonexistent"),
            ("listen = \":2\"\npage = true\n", "unknown field `page`"),
        ] {
            let faults = Config::parse(&format!("{REST}{text}")).unwrap_err();
            assert!(faults[0].message.contains(expected), "{text}: {faults:?}");
        }
    }
}
