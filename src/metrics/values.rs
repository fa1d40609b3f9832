//! The bytes of `PREFIX.values`: fields back to back, host byte order, no header.

use super::meta::{Field, Kind};

/// A decoded field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count that only grows.
    Counter(u64),
    /// A quantity.
    Integer(i64),
    /// A quantity.
    Float(f64),
    /// When the state was entered (milliseconds since the epoch; 0: in no state) and its text.
    State(u64, String),
}

/// The value of every readable field, by its index. `None` when a readable field reaches beyond the end: then nothing
/// of the file can be trusted.
pub fn decode(fields: &[Field], bytes: &[u8]) -> Option<Vec<(usize, Value)>> {
    let mut offset = 0usize;
    let mut values = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let end = offset.checked_add(field.length)?;
        if field.is_readable() {
            values.push((index, value(field.kind, bytes.get(offset..end)?)?));
        }
        offset = end;
    }
    Some(values)
}

fn value(kind: Kind, bytes: &[u8]) -> Option<Value> {
    let (word, rest) = bytes.split_first_chunk::<8>()?;
    Some(match kind {
        Kind::Counter => Value::Counter(u64::from_ne_bytes(*word)),
        Kind::Signed => Value::Integer(i64::from_ne_bytes(*word)),
        Kind::Float => Value::Float(f64::from_ne_bytes(*word)),
        Kind::State => {
            let text = rest.split(|b| *b == 0).next().unwrap_or_default();
            Value::State(
                u64::from_ne_bytes(*word),
                String::from_utf8_lossy(text).into_owned(),
            )
        }
        Kind::Unsigned | Kind::Pad | Kind::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::meta::parse;
    use super::*;

    fn read(meta: &str, bytes: &[u8]) -> Option<Vec<(usize, Value)>> {
        decode(&parse(meta).unwrap(), bytes)
    }

    #[test]
    fn the_worked_example_is_decoded() {
        let meta = "counter 8: {}\nlevel 8 signed: {}\nlevel 8 float: {}\npad 40\nstate 64: {}";
        let mut bytes = vec![0u8; 128];
        bytes[..8].copy_from_slice(&1000u64.to_ne_bytes());
        bytes[8..16].copy_from_slice(&(-2i64).to_ne_bytes());
        bytes[16..24].copy_from_slice(&0.75f64.to_ne_bytes());
        bytes[64..72].copy_from_slice(&1_700_000_000_000u64.to_ne_bytes());
        bytes[72..75].copy_from_slice(b"sql");
        let expected = [
            (0, Value::Counter(1000)),
            (1, Value::Integer(-2)),
            (2, Value::Float(0.75)),
            (4, Value::State(1_700_000_000_000, "sql".into())),
        ];
        assert_eq!(read(meta, &bytes).unwrap(), expected);
    }

    #[test]
    fn short_files_give_nothing() {
        assert_eq!(read("counter 8: {}\ncounter 8: {}", &[0; 12]), None);
        assert_eq!(read("counter 8: {}\nstate 64: {}", &[0; 40]), None);
        // Padding and what cannot be read may reach beyond the end.
        assert_eq!(read("counter 8: {}\npad 100", &[0; 8]).unwrap().len(), 1);
    }

    #[test]
    fn unreadable_fields_are_stepped_over() {
        let mut bytes = [0u8; 32];
        bytes[24] = 1;
        let values = read("counter 8: {}\nhisto 16: {}\ncounter 8: {}", &bytes).unwrap();
        assert_eq!(values.len(), 2);
        let second = u64::from_ne_bytes([1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(values[1], (2, Value::Counter(second)));
        assert_eq!(read("counter 4: {}\nlevel 8 unsigned: {}", &[0; 12]).unwrap(), []);
        assert_eq!(read("state 8: {}\nstate 9: {}", &[b'a'; 17]).unwrap().len(), 1);
    }
}
