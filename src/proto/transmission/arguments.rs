//! The `arguments` of a request, one by one, each as its type.
//!
//! Clients are many and old: a flag comes as `1`, a number as `3.0` or `"3"`. What means one thing is taken for it;
//! `null` is an argument that was left out. Anything else is refused. Arguments that the specification does not have
//! are passed over, as Transmission does.

use serde_json::{Map, Value};

use super::Refusal;

/// The arguments of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'a>(Option<&'a Map<String, Value>>);

/// What an argument can be read as.
pub(super) trait Argument: Sized {
    /// Reads the value of the argument of this name.
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal>;

    /// Whether a value says that there is none.
    fn is_left_out(value: &Value) -> bool {
        value.is_null()
    }
}

impl<'a> Arguments<'a> {
    /// Those of a request, which is an object. Where they are none, as if there were none.
    pub(super) fn of(request: &'a Map<String, Value>) -> Self {
        Self(request.get("arguments").and_then(Value::as_object))
    }

    /// The value as it came.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    /// An argument, unless it was left out.
    pub(super) fn read<T: Argument>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        self.value(name).filter(|value| !T::is_left_out(value)).map(|value| T::read(value, name)).transpose()
    }

    /// A text; an empty one counts as left out.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        Ok(self.read::<String>(name)?.filter(|text| !text.is_empty()))
    }
}

impl Argument for bool {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            Value::Number(number) if number.as_f64() == Some(0.0) => Ok(false),
            Value::Number(number) if number.as_f64() == Some(1.0) => Ok(true),
            _ => Err(Refusal::Argument(name)),
        }
    }
}

impl Argument for f64 {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or(Refusal::Argument(name))
    }
}

impl Argument for i64 {
    /// What is behind the point of a number is cut off.
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        if let Some(number) = value.as_i64() {
            return Ok(number);
        }
        let number = f64::read(value, name)?.trunc();
        // The ends as floats: 2^63 itself is one too many.
        let fits = number >= i64::MIN as f64 && number < i64::MAX as f64;
        fits.then_some(number as i64).ok_or(Refusal::Argument(name))
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Argument for $type {
            fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
                Self::try_from(i64::read(value, name)?).map_err(|_| Refusal::Argument(name))
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64);

impl Argument for String {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        value.as_str().map(Self::from).ok_or(Refusal::Argument(name))
    }
}

impl<T: Argument> Argument for Vec<T> {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let values = value.as_array().ok_or(Refusal::Argument(name))?;
        values.iter().map(|value| T::read(value, name)).collect()
    }
}

/// A set of arguments, all of which may be left out: `"name" => field: Type`.
macro_rules! arguments {
    (
        $(#[$about:meta])*
        pub struct $set:ident { $($(#[$doc:meta])* $name:literal => $field:ident: $type:ty,)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $set {
            $($(#[$doc])* pub $field: Option<$type>,)*
        }

        impl $set {
            pub(super) fn read(arguments: &$crate::proto::transmission::arguments::Arguments<'_>)
                -> Result<Self, $crate::proto::transmission::Refusal>
            {
                Ok(Self { $($field: arguments.read($name)?,)* })
            }
        }
    };
}

pub(super) use arguments;
