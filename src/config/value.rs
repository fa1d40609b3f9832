//! A checked value on its way from the tree to the tool's own types. Names that come from a table are not copied.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Why a value does not fit a type; the table of keys should have prevented it.
pub type Error = serde::de::value::Error;

/// A value with its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not set.
    Null,
    /// A flag.
    Bool(bool),
    /// A number.
    Number(i64),
    /// A number that may not fit the other variant.
    Natural(u64),
    /// Text of the document.
    Text(String),
    /// A word of the table: a name, a default, a tag without value.
    Word(&'static str),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping; the names of structures are [`Value::Word`]s.
    Map(Vec<(Value, Value)>),
    /// A tag and what it carries.
    Tagged(&'static str, Box<Value>),
}

impl Value {
    /// Decodes the value.
    ///
    /// Errors: table and type do not agree.
    pub fn decode<T: DeserializeOwned>(self) -> Result<T, Error> {
        T::deserialize(self)
    }

    /// The text of a scalar.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The entries of a mapping, none for anything else.
    pub fn into_entries(self) -> Vec<(Value, Value)> {
        match self {
            Value::Map(entries) => entries,
            _ => Vec::new(),
        }
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Number(number) => visitor.visit_i64(number),
            Value::Natural(number) => visitor.visit_u64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::Word(word) => visitor.visit_borrowed_str(word),
            Value::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Value::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
            Value::Tagged(tag, value) => {
                let entry = (Value::Word(tag), *value);
                visitor.visit_map(MapDeserializer::new(std::iter::once(entry)))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Value::Tagged(tag, value) => visitor.visit_enum(Tagged { tag, value: *value }),
            Value::Text(tag) => visitor.visit_enum(tag.into_deserializer()),
            Value::Word(tag) => visitor.visit_enum(tag.into_deserializer()),
            other => Err(Error::custom(format!("expected a tag, found {other:?}"))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for Value {
    type Deserializer = Value;

    fn into_deserializer(self) -> Value {
        self
    }
}

/// A tag with a value, seen as a variant of an enumeration.
struct Tagged {
    tag: &'static str,
    value: Value,
}

impl<'de> EnumAccess<'de> for Tagged {
    type Error = Error;
    type Variant = Value;

    fn variant_seed<S: serde::de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Value), Error> {
        Ok((seed.deserialize(Value::Word(self.tag))?, self.value))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: serde::de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }
}
