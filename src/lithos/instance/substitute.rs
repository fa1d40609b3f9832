//! `@{name}` in arguments, values of the environment, and ports. There is no escape; a brace that is not closed stays.

use std::collections::BTreeMap;

use super::InstanceName;
use crate::lithos::config::VariableType;

/// What names stand for.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'a> {
    /// What the container file declares.
    pub declared: &'a BTreeMap<String, VariableType>,
    /// What the processes file gives.
    pub values: &'a BTreeMap<String, String>,
    /// The container, for `lithos:name`.
    pub name: &'a InstanceName,
    /// The container file, for `lithos:config_filename`.
    pub config: &'a str,
}

impl Variables<'_> {
    /// The text with everything replaced.
    ///
    /// Errors: what is wrong with each name, without the place in the file.
    pub fn substitute(&self, text: &str) -> Result<String, Vec<String>> {
        let (mut out, mut wrong) = (String::new(), Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("@{") {
            let Some((name, tail)) = after.split_once('}') else {
                break;
            };
            out.push_str(before);
            match self.value(name.trim()) {
                Ok(value) => out.push_str(&value),
                Err(why) => wrong.push(why),
            }
            rest = tail;
        }
        out.push_str(rest);
        match wrong.is_empty() {
            true => Ok(out),
            false => Err(wrong),
        }
    }

    /// Only what is declared counts, and nothing shadows our own names.
    fn value(&self, name: &str) -> Result<String, String> {
        match name {
            "lithos:name" => Ok(self.name.to_string()),
            "lithos:config_filename" => Ok(self.config.to_string()),
            "lithos:pid" => {
                Err("@{lithos:pid} must be the whole value of a variable of the environment".into())
            }
            _ if name.starts_with("lithos:") => Err(format!("unknown variable @{{{name}}}")),
            _ if !self.declared.contains_key(name) => Err(format!(
                "variable @{{{name}}} is not declared in `variables` of the container file"
            )),
            _ => self
                .values
                .get(name)
                .cloned()
                .ok_or_else(|| format!("variable @{{{name}}} has no value in the processes file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substitute(text: &str) -> Result<String, Vec<String>> {
        let declared = BTreeMap::from([
            ("a".to_string(), VariableType::Name),
            ("b".to_string(), VariableType::Name),
        ]);
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        let values = BTreeMap::from([pair("a", "1@{a}"), pair("c", "2"), pair("lithos:name", "evil")]);
        let name = InstanceName::daemon("s", "p", 3);
        let variables = Variables {
            declared: &declared,
            values: &values,
            name: &name,
            config: "/c.yaml",
        };
        variables.substitute(text)
    }

    #[test]
    fn names_are_replaced_once() {
        let done = substitute("x@{a}y@{ lithos:name }@{lithos:config_filename}@{open").unwrap();
        assert_eq!(done, "x1@{a}ys/p.3/c.yaml@{open");
    }

    #[test]
    fn everything_wrong_is_said() {
        let wrong = substitute("@{c} @{b} @{lithos:pid} @{lithos:x} @{a}").unwrap_err();
        assert_eq!(wrong.len(), 4);
        assert!(
            wrong[0].contains("not declared") && wrong[1].contains("no value"),
            "{wrong:?}"
        );
    }
}
