//! Which environment a command starts with: nothing of the caller's but what one of the documented layers adds.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::vagga::cli::globals::Globals;
use crate::vagga::config::Settings;

/// `PATH` of a container that sets none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables passed on with `proxy-env-vars`.
const PROXY: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];
/// The caller's `VAGGAENV_X` becomes `X`.
const PREFIX: &[u8] = b"VAGGAENV_";

/// Variables by name.
pub type Variables = BTreeMap<OsString, OsString>;

/// An environment of which everything is known but the content of a file inside the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environ {
    /// Weaker than the file.
    pub below: Variables,
    /// `environ-file`, a path inside the container.
    pub file: Option<PathBuf>,
    /// Stronger than the file.
    pub above: Variables,
}

impl Environ {
    /// The final environment, given the variables of the file.
    pub fn merge(&self, file: Variables) -> Variables {
        let mut all = self.below.clone();
        all.extend(file);
        all.extend(self.above.clone());
        all
    }
}

/// What the configuration says about one process.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// Variables of the image that the container was made of.
    pub image: &'a BTreeMap<String, String>,
    /// `environ-file` of the container.
    pub file: Option<&'a PathBuf>,
    /// `environ` of the container.
    pub container: &'a BTreeMap<String, String>,
    /// `environ` of the command.
    pub command: &'a BTreeMap<String, String>,
    /// Variables that nothing overrides: parsed options, names of a supervised child.
    pub fixed: &'a [(String, String)],
}

/// Puts the layers together, weakest first: automatic variables, those of an OCI image, `environ-file`, container, command,
/// `propagate-environ`, settings, `VAGGAENV_*`, `-e`, `-E`, parsed options.
pub fn layers(
    caller: &[(OsString, OsString)],
    settings: &Settings,
    globals: &Globals,
    c: Configured<'_>,
) -> Environ {
    let mut above = Variables::new();
    above.extend(strings(c.container));
    above.extend(strings(c.command));
    above.extend(
        caller
            .iter()
            .filter(|(name, _)| is_propagated(&settings.propagate_environ, name))
            .cloned(),
    );
    above.extend(strings(&settings.environ));
    above.extend(overrides(caller, globals));
    above.extend(c.fixed.iter().map(|(n, v)| (n.into(), v.into())));
    let mut below = automatic(caller, settings);
    below.extend(strings(c.image));
    Environ {
        below,
        file: c.file.cloned(),
        above,
    }
}

/// `TERM`, proxies, `PATH`.
fn automatic(caller: &[(OsString, OsString)], settings: &Settings) -> Variables {
    let mut out = Variables::new();
    let term = find(caller, "TERM".as_ref()).unwrap_or("dumb".as_ref());
    out.insert("TERM".into(), term.into());
    out.insert("PATH".into(), DEFAULT_PATH.into());
    if settings.proxy_env_vars {
        for name in PROXY {
            if let Some(value) = find(caller, name.as_ref()) {
                out.insert(name.into(), value.into());
            }
        }
    }
    out
}

/// `VAGGAENV_*`, `-e`, `-E`: `-E X` takes back what the others say about `X`.
fn overrides(caller: &[(OsString, OsString)], globals: &Globals) -> Variables {
    let mut out = Variables::new();
    for (name, value) in caller {
        match name.as_bytes().strip_prefix(PREFIX) {
            Some(name) if !name.is_empty() => {
                out.insert(OsString::from_vec(name.to_vec()), value.clone());
            }
            _ => {}
        }
    }
    for name in &globals.use_env {
        let value = find(caller, name.as_ref()).unwrap_or_default();
        out.insert(name.into(), value.into());
    }
    for (name, value) in &globals.environ {
        match value {
            Some(value) => out.insert(name.into(), value.into()),
            None => out.remove(OsStr::new(name)),
        };
    }
    out
}

fn find<'a>(variables: &'a [(OsString, OsString)], name: &OsStr) -> Option<&'a OsStr> {
    variables
        .iter()
        .find_map(|(n, value)| (n == name).then_some(value.as_os_str()))
}

fn strings(map: &BTreeMap<String, String>) -> impl Iterator<Item = (OsString, OsString)> + '_ {
    map.iter().map(|(name, value)| (name.into(), value.into()))
}

/// True when the whole name matches one of the patterns.
fn is_propagated(patterns: &[String], name: &OsStr) -> bool {
    patterns.iter().any(|p| matches(p.as_bytes(), name.as_bytes()))
}

/// `*` stands for any text, everything else for itself. Linear in both lengths but for the last star.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some() && pattern.get(p) == text.get(t) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caller(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        vars.iter().map(|(n, v)| (n.into(), v.into())).collect()
    }

    fn map(vars: &[(&str, &str)]) -> BTreeMap<String, String> {
        vars.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
    }

    /// Every layer sets the variables of itself and of all weaker layers: `L3` is set by layers 3 and up.
    fn layered(strongest: usize) -> BTreeMap<String, String> {
        (1..=strongest)
            .map(|n| (format!("L{n}"), strongest.to_string()))
            .collect()
    }

    #[test]
    fn layers_rank_as_documented() {
        let mut from_caller: Vec<_> = (1..=4)
            .map(|n| (OsString::from(format!("L{n}")), "4".into()))
            .collect();
        from_caller.extend((1..=6).map(|n| (format!("VAGGAENV_L{n}").into(), "6".into())));
        from_caller.push(("E7".into(), "7".into()));
        let settings = Settings {
            propagate_environ: vec!["L*".into()],
            environ: layered(5),
            ..Settings::default()
        };
        let globals = Globals {
            use_env: vec!["E7".into()],
            environ: vec![("E7".into(), Some("8".into())), ("L6".into(), None)],
            ..Globals::default()
        };
        let (container, command) = (layered(2), layered(3));
        let fixed = [("VAGGAOPT_X".to_string(), "9".to_string())];
        let environ = layers(
            &from_caller,
            &settings,
            &globals,
            Configured {
                image: &map(&[("L1", "image"), ("I", "image")]),
                file: None,
                container: &container,
                command: &command,
                fixed: &fixed,
            },
        );
        let all = environ.merge(Variables::from([
            ("L1".into(), "1".into()),
            ("F".into(), "1".into()),
        ]));
        let get = |name: &str| all.get(OsStr::new(name)).map(|v| v.to_str().unwrap());
        assert_eq!(get("L1"), Some("6"));
        assert_eq!(get("L5"), Some("6"));
        assert_eq!(get("I"), Some("image"));
        assert_eq!(get("L6"), None, "-E L6 cancels VAGGAENV_L6");
        assert_eq!(get("E7"), Some("8"));
        assert_eq!(get("F"), Some("1"));
        assert_eq!(get("VAGGAOPT_X"), Some("9"));
        assert_eq!(get("PATH"), Some(DEFAULT_PATH));
        assert_eq!(get("TERM"), Some("dumb"));
    }

    #[test]
    fn settings_outrank_propagated_variables() {
        let settings = Settings {
            propagate_environ: vec!["A".into()],
            environ: map(&[("A", "settings")]),
            ..Settings::default()
        };
        let none = BTreeMap::new();
        let c = Configured {
            image: &none,
            file: None,
            container: &none,
            command: &none,
            fixed: &[],
        };
        let environ = layers(&caller(&[("A", "caller")]), &settings, &Globals::default(), c);
        assert_eq!(environ.above[OsStr::new("A")], "settings");
    }

    #[test]
    fn proxies_are_lower_case_and_can_be_switched_off() {
        let vars = caller(&[
            ("http_proxy", "p"),
            ("HTTP_PROXY", "P"),
            ("HOME", "/h"),
            ("TERM", "x"),
        ]);
        let mut settings = Settings::default();
        let with = automatic(&vars, &settings);
        assert_eq!(with[OsStr::new("http_proxy")], "p");
        assert_eq!(with[OsStr::new("TERM")], "x");
        assert_eq!(with.len(), 3);
        settings.proxy_env_vars = false;
        assert_eq!(automatic(&vars, &settings).len(), 2);
    }

    #[test]
    fn unset_variable_given_by_e_is_empty() {
        let globals = Globals {
            use_env: vec!["UNSET".into()],
            ..Globals::default()
        };
        assert_eq!(overrides(&[], &globals)[OsStr::new("UNSET")], "");
    }

    #[test]
    fn stars_match_any_text() {
        for (pattern, text, expected) in [
            ("CI_*", "CI_X", true),
            ("CI_*", "XCI_", false),
            ("A", "A", true),
            ("A", "AB", false),
            ("*_X*", "A_B_XY", true),
            ("a.c", "abc", false),
            ("*", "", true),
            ("", "", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    proptest! {
        #[test]
        fn pattern_made_from_a_name_matches_it(name in "[A-Z_]{0,12}", cut in 0usize..12) {
            let cut = cut.min(name.len());
            let pattern = format!("{}*{}", &name[..cut / 2], &name[cut..]);
            prop_assert!(matches(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
