//! Variables of playlists: `EXT-X-DEFINE` and `{$name}`. Sections 4.3 and 4.4.2.3.
//!
//! They count in lines that are a URI, in quoted strings and in hexadecimal sequences, and nowhere else. The value of a definition is a quoted string, so a
//! variable may be made of two others, and a few lines of those are more than any memory holds: what all references of a playlist become has a limit.

use std::collections::BTreeMap;

use super::attributes::{AttributeError, Attributes, Value};
use super::media::Define;

/// Bytes that the variables of a playlist may come to in all places where they are used, unless told otherwise: as many as a whole playlist may have.
pub const MAX_FILLED: usize = super::MAX_PLAYLIST;

/// Variables that a playlist may import, and those that it has defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables {
    known: BTreeMap<String, String>,
    imports: BTreeMap<String, String>,
    query: Vec<(String, String)>,
    /// Bytes that may still be filled in.
    left: usize,
}

impl Default for Variables {
    fn default() -> Self {
        Self { known: BTreeMap::new(), imports: BTreeMap::new(), query: Vec::new(), left: MAX_FILLED }
    }
}

/// Why a variable has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Nobody has defined it before this line.
    #[error("the variable {0} is not defined")]
    Undefined(String),
    /// It is defined a second time.
    #[error("the variable {0} is defined twice")]
    Twice(String),
    /// It would be imported, and the multivariant playlist does not have it.
    #[error("the multivariant playlist has no variable {0}")]
    NoImport(String),
    /// It would be taken from the query of the address, which does not have it.
    #[error("the address of the playlist has no parameter {0}")]
    NoQuery(String),
    /// The references come to more than a playlist may have.
    #[error("the variables come to more than {MAX_FILLED} bytes")]
    TooMuch,
}

/// Definitions of a multivariant playlist as its media playlists import them: those that are taken from the query of its own address have their values.
#[must_use]
pub fn resolved(defines: &[Define], query: &[(String, String)]) -> Vec<Define> {
    let value = |define: &Define| match define {
        Define::QueryParam(name) => {
            let (_, value) = query.iter().find(|(other, _)| other == name)?;
            Some(Define::Value(name.clone(), value.clone()))
        }
        define => Some(define.clone()),
    };
    defines.iter().filter_map(value).collect()
}

impl Variables {
    /// For a playlist at an address with this query (percent-decoded), beneath a multivariant playlist that has defined `imports`.
    #[must_use]
    pub fn new(imports: &[Define], query: Vec<(String, String)>) -> Self {
        let values = imports.iter().filter_map(|define| match define {
            Define::Value(name, value) => Some((name.clone(), value.clone())),
            Define::Import(_) | Define::QueryParam(_) => None,
        });
        Self { imports: values.collect(), query, ..Self::default() }
    }

    /// Defines a variable. A value that names others is taken as it is: [`attributes`](Self::attributes) has filled it in.
    ///
    /// # Errors
    /// It is there already, or its value is nowhere.
    pub fn define(&mut self, define: &Define) -> Result<(), VariableError> {
        let (name, value) = match define {
            Define::Value(name, value) => (name, Some(value)),
            Define::Import(name) => (name, self.imports.get(name)),
            Define::QueryParam(name) => {
                (name, self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value))
            }
        };
        let value = value.cloned().ok_or_else(|| match define {
            Define::QueryParam(_) => VariableError::NoQuery(name.clone()),
            Define::Value(..) | Define::Import(_) => VariableError::NoImport(name.clone()),
        })?;
        if self.known.contains_key(name) {
            return Err(VariableError::Twice(name.clone()));
        }
        self.known.insert(name.clone(), value);
        Ok(())
    }

    /// The attribute list `text` with the values of variables in its quoted strings and hexadecimal sequences.
    ///
    /// # Errors
    /// It is no list, a variable is not defined, or all that was filled in is longer than [`MAX_FILLED`].
    pub fn attributes(&mut self, text: &str) -> Result<Attributes, Unfilled> {
        let mut list = Attributes::parse(text)?;
        for value in list.values_mut() {
            match value {
                Value::Quoted(text) if text.contains("{$") => *text = self.fill(text)?,
                Value::Plain(text) if text.contains("{$") => {
                    let filled = self.fill(text)?;
                    if is_hexadecimal(&filled) {
                        *text = filled;
                    }
                }
                Value::Quoted(_) | Value::Plain(_) => {}
            }
        }
        Ok(list)
    }

    /// The text with the values in place of `{$name}`; values are not looked through again.
    ///
    /// # Errors
    /// A variable that is not defined, and when all that was filled in is longer than [`MAX_FILLED`].
    pub fn fill(&mut self, text: &str) -> Result<String, VariableError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{$") {
            filled.push_str(before);
            let (name, after) =
                behind.split_at(behind.find(|char| !is_of_name(char)).unwrap_or(behind.len()));
            let Some(after) = after.strip_prefix('}').filter(|_| !name.is_empty()) else {
                filled.push_str("{$");
                rest = behind;
                continue;
            };
            let value = self.known.get(name).ok_or_else(|| VariableError::Undefined(name.to_owned()))?;
            self.left = self.left.checked_sub(value.len()).ok_or(VariableError::TooMuch)?;
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// Why an attribute list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// It is none.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A variable has no value.
    #[error(transparent)]
    Variable(#[from] VariableError),
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_')
}

/// Whether a value is a hexadecimal sequence (section 4.2).
fn is_hexadecimal(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let imports = [Define::Value("cdn".into(), "https://cdn.example".into())];
        let mut variables = Variables::new(&imports, vec![("token".into(), "a b".into())]);
        variables.define(&Define::Import("cdn".into())).unwrap();
        variables.define(&Define::QueryParam("token".into())).unwrap();
        variables.define(&Define::Value("x_1-".into(), "{$cdn}".into())).unwrap();
        for (text, expected) in [
            ("{$cdn}/a.ts?t={$token}", "https://cdn.example/a.ts?t=a b"),
            ("{$x_1-}", "{$cdn}"),
            ("{$}{$a b}{x}{$", "{$}{$a b}{x}{$"),
            ("", ""),
        ] {
            assert_eq!(variables.fill(text).unwrap(), expected, "{text}");
        }
        // Names are not looked for in what follows an open brace, however long that is.
        assert_eq!(variables.fill(&"{$".repeat(1 << 20)).unwrap().len(), 2 << 20);
        assert_eq!(variables.fill("{$y}"), Err(VariableError::Undefined("y".into())));
        for (define, expected) in [
            (Define::Value("cdn".into(), "".into()), VariableError::Twice("cdn".into())),
            (Define::Import("y".into()), VariableError::NoImport("y".into())),
            (Define::QueryParam("y".into()), VariableError::NoQuery("y".into())),
        ] {
            assert_eq!(variables.define(&define), Err(expected));
        }
    }

    #[test]
    fn variables_count_in_strings_and_hexadecimal_sequences() {
        let mut variables = Variables::default();
        for (name, value) in [("n", "12"), ("iv", "0xAB"), ("digits", "cd"), ("s", "a\",X=\"b")] {
            variables.define(&Define::Value(name.into(), value.into())).unwrap();
        }
        for (text, name, expected) in [
            (r#"URI="k{$n}""#, "URI", Value::Quoted("k12".into())),
            ("IV={$iv}", "IV", Value::Plain("0xAB".into())),
            ("IV=0xab{$digits}", "IV", Value::Plain("0xabcd".into())),
            // A number is no place for one.
            ("BANDWIDTH={$n}", "BANDWIDTH", Value::Plain("{$n}".into())),
            // A value is no syntax.
            (r#"URI="{$s}""#, "URI", Value::Quoted(r#"a",X="b"#.into())),
        ] {
            let list = variables.attributes(text).unwrap();
            assert_eq!((list.iter().count(), list.value(name)), (1, Some(&expected)), "{text}");
        }
        let undefined = Unfilled::Variable(VariableError::Undefined("y".into()));
        assert_eq!(variables.attributes(r#"URI="{$y}""#), Err(undefined));
    }

    #[test]
    fn all_that_is_filled_in_has_a_limit() {
        let mut variables = Variables::default();
        variables.define(&Define::Value("a".into(), "x".repeat(MAX_FILLED / 4))).unwrap();
        assert_eq!(variables.fill("{$a}{$a}{$a}").unwrap().len(), MAX_FILLED / 4 * 3);
        variables.fill("{$a}").unwrap();
        assert_eq!(variables.fill("{$a}"), Err(VariableError::TooMuch));
    }
}
