//! Options that stand before the command.

use super::parser::Parsed;
use super::table::Key;

/// How far vagga may go to bring a container up to date. The last option given wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuildMode {
    /// Build or pull whatever is missing.
    #[default]
    Normal,
    /// `--no-image-download`: never consult `image-cache-url`.
    NoImageDownload,
    /// `--no-build`: compute the hash; exit 29 when the image is missing.
    NoBuild,
    /// `--no-version-check`: take what `.vagga/NAME` points to, hash and build nothing.
    NoVersionCheck,
}

/// Resolved global options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globals {
    /// `-E NAME=VALUE` (`Some`) and `-E NAME` (`None`), in the order given.
    pub environ: Vec<(String, Option<String>)>,
    /// `-e NAME`.
    pub use_env: Vec<String>,
    /// Skip the check of the project's owner.
    pub ignore_owner_check: bool,
    /// Run only the named commands.
    pub no_prerequisites: bool,
    /// Build what is needed, run nothing.
    pub containers_only: bool,
    /// Run everything with only a loopback interface.
    pub isolate_network: bool,
    /// How far to go for up-to-date containers.
    pub build_mode: BuildMode,
}

impl Globals {
    /// From parsed options.
    pub fn new(parsed: &Parsed) -> Globals {
        let pair = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_string(), Some(value.to_string())),
            None => (text, None),
        };
        Globals {
            environ: parsed.values(Key::Env).into_iter().map(pair).collect(),
            use_env: parsed.values(Key::UseEnv),
            ignore_owner_check: parsed.has(Key::IgnoreOwnerCheck),
            no_prerequisites: parsed.has(Key::NoPrerequisites),
            containers_only: parsed.has(Key::ContainersOnly),
            isolate_network: parsed.has(Key::IsolateNetwork),
            build_mode: build_mode(parsed).unwrap_or_default(),
        }
    }
}

/// The last build mode among parsed options.
pub fn build_mode(parsed: &Parsed) -> Option<BuildMode> {
    let mode = |key: Key| match key {
        Key::NoImageDownload => Some(BuildMode::NoImageDownload),
        Key::NoBuild => Some(BuildMode::NoBuild),
        Key::NoVersionCheck => Some(BuildMode::NoVersionCheck),
        _ => None,
    };
    parsed.options.iter().rev().find_map(|(key, _)| mode(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_build_mode_wins_and_variables_keep_their_order() {
        let parsed = Parsed {
            options: vec![
                (Key::NoVersionCheck, None),
                (Key::Env, Some("A=b=c".into())),
                (Key::NoBuild, None),
                (Key::Env, Some("Z".into())),
            ],
            positionals: Vec::new(),
        };
        let g = Globals::new(&parsed);
        assert_eq!(g.build_mode, BuildMode::NoBuild);
        assert_eq!(g.environ, [("A".into(), Some("b=c".into())), ("Z".into(), None)]);
        assert_eq!(Globals::new(&Parsed::default()), Globals::default());
    }
}
