//! Variables of playlists: `EXT-X-DEFINE` and `{$name}`. Sections 4.3 and 4.4.2.3.

use super::media::Define;

/// Variables that a playlist may import, and those that it has defined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    known: Vec<(String, String)>,
    imports: Vec<(String, String)>,
    query: Vec<(String, String)>,
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
}

impl Variables {
    /// For a playlist at an address with this query (percent-decoded), beneath a multivariant playlist that has defined `imports`.
    #[must_use]
    pub fn new(imports: &[Define], query: Vec<(String, String)>) -> Self {
        let values = imports.iter().filter_map(|define| match define {
            Define::Value(name, value) => Some((name.clone(), value.clone())),
            Define::Import(_) | Define::QueryParam(_) => None,
        });
        Self { known: Vec::new(), imports: values.collect(), query }
    }

    /// Defines a variable. What it became is known to those who import it.
    ///
    /// # Errors
    /// It is there already, or its value is nowhere.
    pub fn define(&mut self, define: &Define) -> Result<(), VariableError> {
        let find = |list: &[(String, String)], name: &str| {
            list.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
        };
        let (name, value) = match define {
            Define::Value(name, value) => (name, value.clone()),
            Define::Import(name) => {
                (name, find(&self.imports, name).ok_or_else(|| VariableError::NoImport(name.clone()))?)
            }
            Define::QueryParam(name) => {
                (name, find(&self.query, name).ok_or_else(|| VariableError::NoQuery(name.clone()))?)
            }
        };
        if find(&self.known, name).is_some() {
            return Err(VariableError::Twice(name.clone()));
        }
        self.known.push((name.clone(), value));
        Ok(())
    }

    /// The variables with their values.
    #[must_use]
    pub fn known(&self) -> &[(String, String)] {
        &self.known
    }

    /// The text with the values in place of `{$name}`; values are not looked through again.
    ///
    /// # Errors
    /// A variable that is not defined.
    pub fn fill(&self, text: &str) -> Result<String, VariableError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{$") {
            filled.push_str(before);
            let name = behind.split_once('}').filter(|(name, _)| is_name(name));
            let Some((name, behind)) = name else {
                filled.push_str("{$");
                rest = behind;
                continue;
            };
            let value = self.known.iter().find(|(other, _)| other == name);
            let (_, value) = value.ok_or_else(|| VariableError::Undefined(name.to_owned()))?;
            filled.push_str(value);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
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
        assert_eq!(variables.fill("{$y}"), Err(VariableError::Undefined("y".into())));
        for (define, expected) in [
            (Define::Value("cdn".into(), "".into()), VariableError::Twice("cdn".into())),
            (Define::Import("y".into()), VariableError::NoImport("y".into())),
            (Define::QueryParam("y".into()), VariableError::NoQuery("y".into())),
        ] {
            assert_eq!(variables.define(&define), Err(expected));
        }
    }
}
