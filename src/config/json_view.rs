//! A document as JSON: includes, merges and aliases carried out, tags left out, scalars with the types of YAML's core
//! schema. What an editor shows to a JSON schema.

use quire::ast::{Ast, ScalarKind};
use serde_json::{json, Map, Number, Value as Json};

use super::guard::Scalars;

/// The view of a tree whose scalars may stand for others.
pub fn json_view(ast: Ast, scalars: &Scalars) -> Json {
    match scalars.resolve(ast) {
        Ast::Map(_, _, map) => {
            let entry = |(key, value)| (scalars.resolve_text(key), json_view(value, scalars));
            Json::Object(map.into_iter().map(entry).collect::<Map<_, _>>())
        }
        Ast::Seq(_, _, items) => items.into_iter().map(|item| json_view(item, scalars)).collect(),
        Ast::Scalar(_, _, ScalarKind::Plain, text) => plain(&text),
        Ast::Scalar(_, _, _, text) => json!(text),
        Ast::Null(..) => Json::Null,
    }
}

/// A plain scalar by the core schema: null, booleans, decimal, octal and hexadecimal numbers, else text.
fn plain(text: &str) -> Json {
    match text {
        "null" | "Null" | "NULL" | "~" | "" => return Json::Null,
        "true" | "True" | "TRUE" => return json!(true),
        "false" | "False" | "FALSE" => return json!(false),
        _ => {}
    }
    let prefixed = |prefix, radix| {
        let digits: &str = text.strip_prefix(prefix)?;
        u64::from_str_radix(digits, radix).ok()
    };
    if let Some(number) = prefixed("0o", 8).or_else(|| prefixed("0x", 16)) {
        return json!(number);
    }
    let digits = text.trim_start_matches(['-', '+']);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if let (Ok(number), true) = (text.parse::<i64>(), numeric) {
        return json!(number);
    }
    let float = text
        .parse::<f64>()
        .ok()
        .filter(|_| numeric)
        .and_then(Number::from_f64);
    float.map_or_else(|| json!(text), Json::Number)
}

#[cfg(test)]
mod tests {
    use crate::config::Document;
    use serde_json::json;

    #[test]
    fn scalars_have_types_and_tags_are_gone() {
        let text =
            "a: !X {n: 0o17, f: 1.10, b: true, t: 1_000, q: \"5\", e: , v: v1.2, d: 1.2.3}\nl: [!Y z, ~]\n";
        let view = Document::parse("t", text).json_view();
        let expected = json!({
            "a": {"n": 15, "f": 1.1, "b": true, "t": "1_000", "q": "5", "e": null, "v": "v1.2", "d": "1.2.3"},
            "l": ["z", null],
        });
        assert_eq!(view, expected);
    }
}
