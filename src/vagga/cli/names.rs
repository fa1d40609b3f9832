//! Names of commands: what the user types, aliases, suggestions for mistyped ones.

use super::builtins;
use crate::config::suggest;
use crate::vagga::config::{Config, MainCommand};
use crate::vagga::failure::{exit, Failure};

/// The command meant by a typed name: a command's name, else an alias; of several commands with the same alias the
/// alphabetically first one.
pub fn resolve<'a>(config: &'a Config, typed: &str) -> Option<(&'a str, &'a MainCommand)> {
    let by_name = config.commands.get_key_value(typed);
    let by_alias = || {
        let has_alias = |c: &MainCommand| c.common().aliases.iter().any(|a| a == typed);
        config.commands.iter().find(|(_, c)| has_alias(c))
    };
    by_name.or_else(by_alias).map(|(n, c)| (n.as_str(), c))
}

/// The aliases under which this command is reached and listed: not hidden, not taken by another command.
pub fn visible_aliases<'a>(config: &'a Config, name: &str, command: &'a MainCommand) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for alias in &command.common().aliases {
        let ours = resolve(config, alias).is_some_and(|(n, _)| n == name) && alias != name;
        if ours && !is_hidden(alias) && !found.contains(&alias.as_str()) {
            found.push(alias);
        }
    }
    found
}

/// Names with an underscore in front are not listed.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('_')
}

/// [`resolve`], or the error for an unknown command (exit 121) with the nearest name.
pub fn find<'a>(config: &'a Config, typed: &str) -> Result<(&'a str, &'a MainCommand), Failure> {
    resolve(config, typed).ok_or_else(|| {
        let failure = Failure::new(
            exit::LAUNCHER,
            format!("Command {typed:?} not found and is not an alias"),
        );
        with_suggestion(failure, typed, config)
    })
}

/// Adds the nearest command, alias or built-in as a hint.
pub fn with_suggestion(failure: Failure, typed: &str, config: &Config) -> Failure {
    let aliases = config.commands.values().flat_map(|c| &c.common().aliases);
    let commands = config.commands.keys().chain(aliases).map(String::as_str);
    let known = commands.chain(builtins::ALL.iter().map(|b| b.name));
    match suggest::closest(typed, known) {
        Some(near) => failure.with_hint(format!("Did you mean {near:?}?")),
        None => failure.with_hint("`vagga` without arguments lists the commands"),
    }
}

/// Checks that a container is defined. Errors: exit 121 with the nearest name.
pub fn check_container(config: &Config, name: &str) -> Result<(), Failure> {
    if config.containers.contains_key(name) {
        return Ok(());
    }
    let failure = Failure::new(exit::LAUNCHER, format!("Container {name:?} not found"));
    let known = config.containers.keys().map(String::as_str);
    Err(match suggest::closest(name, known) {
        Some(near) => failure.with_hint(format!("Did you mean {near:?}?")),
        None => failure.with_hint("`vagga _list --containers` lists the containers"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{command, config};
    use super::*;

    fn with_aliases(aliases: &[&str]) -> MainCommand {
        let mut c = command();
        c.common.aliases = aliases.iter().map(ToString::to_string).collect();
        MainCommand::Command(c)
    }

    #[test]
    fn names_beat_aliases_and_the_first_command_keeps_a_shared_alias() {
        let c = config([
            ("a", with_aliases(&["b", "x", "_h", "x"])),
            ("b", with_aliases(&["x", "y"])),
            ("_z", with_aliases(&["zed"])),
        ]);
        let name = |typed| resolve(&c, typed).map(|(n, _)| n);
        assert_eq!(name("b"), Some("b"));
        assert_eq!(name("x"), Some("a"));
        assert_eq!(name("y"), Some("b"));
        assert_eq!(name("zed"), Some("_z"));
        assert_eq!(name("nosuch"), None);
        let visible = |name: &str| visible_aliases(&c, name, &c.commands[name]);
        assert_eq!(visible("a"), ["x"]);
        assert_eq!(visible("b"), ["y"]);
    }

    #[test]
    fn unknown_names_are_errors_with_suggestions() {
        let c = config([("build", with_aliases(&[]))]);
        let e = find(&c, "biuld").unwrap_err();
        assert_eq!(e.exit, 121);
        assert_eq!(e.message, "Command \"biuld\" not found and is not an alias");
        assert_eq!(e.hint.as_deref(), Some("Did you mean \"build\"?"));
        assert_eq!(
            find(&c, "_lits").unwrap_err().hint.as_deref(),
            Some("Did you mean \"_list\"?")
        );
        assert!(check_container(&c, "c").is_ok());
        assert_eq!(
            check_container(&c, "qqqqq").unwrap_err().message,
            "Container \"qqqqq\" not found"
        );
    }
}
