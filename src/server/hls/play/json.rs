//! Reports for programs: JSON whose numbers are rounded, as a millionth of a millisecond is nobody's.

use serde::Serialize;
use serde_json::Value;

/// Parts of one that are kept.
const PARTS: f64 = 1e6;

/// A report as JSON.
///
/// # Errors
/// It cannot be written so: a map whose keys are no strings.
pub fn json(report: &impl Serialize) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(report)?;
    round(&mut value);
    Ok(value)
}

/// Rounds all numbers; what is within is as deep as the types of reports are.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().map(|number| (number * PARTS).round() / PARTS);
            // No greater than it was, it is still a number.
            *value = rounded.map_or(Value::Null, Value::from);
        }
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_wherever_they_are() {
        let report = serde_json::json!({ "at": 930.000_000_000_1, "count": 3, "each": [{ "of": 0.123_456_78 }, "text"] });
        let text = json(&report).unwrap().to_string();
        assert_eq!(text, r#"{"at":930.0,"count":3,"each":[{"of":0.123457},"text"]}"#);
    }
}
