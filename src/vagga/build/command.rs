//! Guest commands as data: programs that run inside the root being built.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variable of the caller that, when it is not empty, puts environments into messages about failed commands.
pub const SHOW_ENVIRON: &str = "VAGGA_DEBUG_CMDENV";

/// One program to run inside the container root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestCommand {
    /// The program and its arguments. A name without slash is searched in the build's `PATH`.
    pub argv: Vec<OsString>,
    /// Working directory inside; `/work` by default.
    pub work_dir: PathBuf,
    /// Variables added to the builder's.
    pub environ: BTreeMap<String, String>,
    /// User id inside.
    pub user_id: u32,
    /// Group id inside.
    pub group_id: u32,
    /// Further groups.
    pub supplementary_gids: Vec<u32>,
    /// Run in a nested user namespace where [`GuestCommand::user_id`] stands for this id of the container.
    pub external_user_id: Option<u32>,
    /// Run in the build's network namespace that has only `lo`.
    pub isolate_network: bool,
    /// `fsync` and the like do nothing: a package manager need not wait for the disk when an interrupted build is
    /// thrown away anyway.
    pub skip_sync: bool,
}

impl GuestCommand {
    /// A command with the defaults: user 0, directory `/work`, the host's network.
    pub fn new<I>(argv: I) -> GuestCommand
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        GuestCommand {
            argv: argv.into_iter().map(Into::into).collect(),
            work_dir: "/work".into(),
            environ: BTreeMap::new(),
            user_id: 0,
            group_id: 0,
            supplementary_gids: Vec::new(),
            external_user_id: None,
            isolate_network: false,
            skip_sync: false,
        }
    }

    /// `/bin/sh -exc SCRIPT`
    pub fn shell(script: &str) -> GuestCommand {
        GuestCommand::new(["/bin/sh", "-exc", script])
    }

    /// The command line for messages: words quoted when needed, cut when long.
    pub fn display(&self) -> String {
        const MAX: usize = 300;
        let mut text = String::new();
        for word in &self.argv {
            let word = word.to_string_lossy();
            let plain = !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_alphanumeric() || "-_./=:+,@%".contains(c));
            if !text.is_empty() {
                text.push(' ');
            }
            match plain {
                true => text.push_str(&word),
                false => text.push_str(&format!("{word:?}")),
            }
        }
        if let Some((cut, _)) = text.char_indices().nth(MAX) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }
}

/// What a message about a failed command says of its environment: nothing, unless [`SHOW_ENVIRON`] asks for it, since
/// values may be secrets (proxies carry passwords).
pub fn environ_note(environ: &BTreeMap<String, String>, wanted: Option<OsString>) -> String {
    match wanted.filter(|value| !value.is_empty()) {
        Some(_) => {
            let words: Vec<String> = environ.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            format!("; its environment was: {}", words.join(" "))
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_are_shown_on_demand_only() {
        let environ = BTreeMap::from([("A", "1"), ("B", "two words")]).into_iter();
        let environ = environ.map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(environ_note(&environ, None), "");
        assert_eq!(environ_note(&environ, Some("".into())), "");
        let shown = environ_note(&environ, Some("1".into()));
        assert_eq!(shown, "; its environment was: A=\"1\" B=\"two words\"");
    }

    #[test]
    fn words_are_quoted_when_needed() {
        assert_eq!(
            GuestCommand::shell("echo hi").display(),
            "/bin/sh -exc \"echo hi\""
        );
        assert_eq!(GuestCommand::new(["true", ""]).display(), "true \"\"");
    }
}
