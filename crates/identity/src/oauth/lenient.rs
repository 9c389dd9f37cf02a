//! The one way to read what an authority writes. The standards say which type a field has, and authorities in use
//! write numbers as text or with a fraction, lists as single values, and leave out what they should not: what is meant
//! is clear each time.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number that is not negative, whichever way it is written; a fraction is cut.
pub(crate) fn number_in(value: &Value) -> Option<u64> {
    let of_float = |float: f64| {
        // Beyond this a float skips whole numbers; no authority means that.
        const LARGEST: f64 = 9_007_199_254_740_991.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within these bounds")]
        (0.0..=LARGEST).contains(&float).then_some(float as u64)
    };
    match value {
        Value::Number(number) => number.as_u64().or_else(|| of_float(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| of_float(text.parse().ok()?))
        }
        _ => None,
    }
}

/// The values of a list; one that stands alone is a list of itself.
pub(crate) fn values(value: Option<Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values,
        Some(single) => vec![single],
    }
}

/// A number; one that can't be read is none.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Value>::deserialize(deserializer)?.as_ref().and_then(number_in))
}

/// Text; something else is none.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => Some(text),
        _ => None,
    })
}

/// A list of texts (RFC 7519, 4.1.3, allows one alone).
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = values(Option::deserialize(deserializer)?);
    Ok(values.into_iter().filter_map(|value| if let Value::String(text) = value { Some(text) } else { None }).collect())
}

/// Words with spaces between (RFC 6749, 3.3), or a list of them.
pub(crate) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?.filter(|value| !value.is_null());
    Ok(value.map(|value| {
        let texts = values(Some(value)).into_iter().filter_map(|value| value.as_str().map(str::to_owned));
        texts.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn k8_numbers_and_lists_are_read_whichever_way_they_are_written() {
        for (value, number) in [
            (json!(900), Some(900)),
            (json!("900"), Some(900)),
            (json!(" 900 "), Some(900)),
            (json!(900.0), Some(900)),
            (json!(1_795_700_000.5), Some(1_795_700_000)),
            (json!("1795700000.5"), Some(1_795_700_000)),
            (json!(-1), None),
            (json!("-1"), None),
            (json!("nan"), None),
            (json!("inf"), None),
            (json!(1e300), None),
            // Digits of other scripts are no number to a machine.
            (json!("\u{0669}\u{0660}"), None),
            (json!(null), None),
            (json!([1]), None),
            (json!(true), None),
        ] {
            assert_eq!(number_in(&value), number, "{value}");
        }
        assert_eq!(values(Some(json!("a"))), [json!("a")]);
        assert_eq!(values(Some(json!(["a", 1]))), [json!("a"), json!(1)]);
        assert!(values(Some(json!(null))).is_empty() && values(None).is_empty());
    }
}
