//! Completion in shells: `_compgen` and the scripts that call it.

#[cfg(test)]
mod tests;

use super::arguments;
use super::builtins;
use super::names;
use super::table::{BuiltIn, Flag, Key, Offer, Positional, Value, GLOBAL, SUPERVISE};
use crate::vagga::config::{Config, MainCommand, SuperviseInfo};

/// The completion script of a shell.
pub fn script(shell: &str) -> Option<&'static str> {
    match shell {
        "bash" => Some(include_str!("vagga.bash")),
        "zsh" => Some(include_str!("_vagga")),
        "fish" => Some(include_str!("vagga.fish")),
        _ => None,
    }
}

/// Candidates for `[--describe] WORD… -- CURRENT`, one per line, all beginning with CURRENT. `--describe` puts a tab and
/// a line about it behind each.
pub fn candidates(config: &Config, args: &[String]) -> String {
    match args {
        [first, args @ ..] if first == "--describe" => {
            let (words, _) = split(args);
            let line = |name: String| {
                let about = description(config, words, &name);
                format!("{name}\t{}\n", about.replace(['\t', '\n'], " "))
            };
            found(config, args).into_iter().map(line).collect()
        }
        args => found(config, args).into_iter().map(|c| c + "\n").collect(),
    }
}

fn found(config: &Config, args: &[String]) -> Vec<String> {
    let (words, current) = split(args);
    let found = Completion { config, current }.after(words);
    let mut shown: Vec<String> = Vec::new();
    for candidate in found {
        if candidate.starts_with(current) && !shown.contains(&candidate) {
            shown.push(candidate);
        }
    }
    shown
}

/// A line about a candidate; empty when nothing is known about it.
fn description(config: &Config, words: &[String], name: &str) -> String {
    let builtin = words.iter().find_map(|word| BuiltIn::find(word));
    let own = builtin.map_or(&[][..], |b| b.flags);
    let flag = |flags: &[Flag]| flags.iter().find(|f| f.names.contains(&name)).map(|f| f.help);
    if let Some(help) = [own, SUPERVISE, GLOBAL].into_iter().find_map(flag) {
        return help.to_string();
    }
    if let Some(builtin) = BuiltIn::find(name) {
        return builtin.describe();
    }
    let takes_container = |p: &Positional| matches!(p.offer, Offer::Containers | Offer::Runnable);
    if builtin.is_some_and(|b| b.positionals.iter().any(takes_container)) {
        return if config.containers.contains_key(name) {
            "container"
        } else {
            ""
        }
        .to_string();
    }
    let Some((_, command)) = names::resolve(config, name) else {
        return String::new();
    };
    let text = command.common().description.as_deref().unwrap_or_default();
    text.lines().next().unwrap_or_default().to_string()
}

/// The complete words and the one being typed; the latter may itself be `--`.
fn split(args: &[String]) -> (&[String], &str) {
    match args {
        [words @ .., dashes, current] if dashes == "--" => (words, current),
        [words @ .., dashes] if dashes == "--" => (words, ""),
        words => (words, ""),
    }
}

/// What a row of options means so far.
struct Scan<'a> {
    /// Options seen.
    given: Vec<Key>,
    /// The option whose values are being typed.
    open: Option<&'a Flag>,
    /// Values of the open option.
    values: Vec<&'a str>,
}

impl<'a> Scan<'a> {
    fn new() -> Scan<'a> {
        Scan {
            given: Vec::new(),
            open: None,
            values: Vec::new(),
        }
    }

    /// Takes a word if it is an option or the value of one.
    fn take(&mut self, flags: &'a [Flag], word: &'a str) -> bool {
        if let Some(flag) = self.open {
            let single = matches!(flag.value, Value::One(_));
            if single || !word.starts_with('-') {
                self.values.push(word);
                self.open = (!single).then_some(flag);
                return true;
            }
            self.open = None;
        }
        if !word.starts_with('-') {
            return false;
        }
        let name = word.split('=').next().unwrap_or(word);
        let attached = |f: &&Flag| {
            let short = f.names.iter().find(|n| !n.starts_with("--"));
            f.value != Value::Flag && short.is_some_and(|n| word.starts_with(n))
        };
        let exact = flags.iter().find(|f| f.names.contains(&name));
        if let Some(flag) = exact.or_else(|| flags.iter().find(attached)) {
            self.given.push(flag.key);
            self.values.clear();
            let waits = flag.value != Value::Flag && flag.names.contains(&word);
            self.open = waits.then_some(flag);
        }
        true
    }

    /// True while exactly one value is expected: nothing is known about it.
    fn wants_value(&self) -> bool {
        matches!(
            self.open,
            Some(Flag {
                value: Value::One(_),
                ..
            })
        )
    }
}

struct Completion<'a> {
    config: &'a Config,
    current: &'a str,
}

impl<'a> Completion<'a> {
    /// Candidates after these words, perhaps with some that do not begin with the current word.
    fn after(&self, words: &'a [String]) -> Vec<String> {
        let mut scan = Scan::new();
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            if scan.take(GLOBAL, word) {
                continue;
            }
            if let Some(builtin) = BuiltIn::find(word) {
                return self.of_builtin(builtin, rest);
            }
            if let Some((name, command)) = names::resolve(self.config, word) {
                return self.of_command(name, command, rest);
            }
        }
        if scan.wants_value() {
            return Vec::new();
        }
        let mut found = self.commands();
        if scan.open.is_none() && self.current.starts_with('_') {
            found.extend(self.builtins());
        }
        if self.current.starts_with('-') {
            found.extend(self.flags(GLOBAL, &scan.given));
        }
        found
    }

    /// All commands; aliases too when something is typed.
    fn commands(&self) -> Vec<String> {
        let mut found: Vec<String> = self.config.commands.keys().cloned().collect();
        if !self.current.is_empty() {
            for (name, command) in &self.config.commands {
                let aliases = names::visible_aliases(self.config, name, command);
                found.extend(aliases.into_iter().map(String::from));
            }
        }
        found
    }

    fn builtins(&self) -> Vec<String> {
        let bare = self.current == "_";
        let offered = builtins::ALL.iter().filter(|b| b.offered || !bare);
        offered.map(|b| b.name.to_string()).collect()
    }

    /// Spellings of the options that may still be given. Behind a bare dash only those a user of any version knows.
    fn flags(&self, flags: &[Flag], given: &[Key]) -> Vec<String> {
        let bare = matches!(self.current, "" | "-" | "--");
        let mut found = Vec::new();
        for flag in flags.iter().filter(|f| f.repeat || !given.contains(&f.key)) {
            let shown = if bare { flag.offered } else { flag.names.len() };
            found.extend(flag.names.iter().take(shown).map(ToString::to_string));
        }
        if !bare {
            found.push("--help".to_string());
        }
        found
    }

    fn of_builtin(&self, builtin: &'a BuiltIn, words: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut scan = Scan::new();
        let mut positionals = 0;
        for word in words {
            let literal = builtin.stops && positionals > 0;
            if literal || !scan.take(builtin.flags, word) {
                positionals += 1;
            }
        }
        let literal = builtin.stops && positionals > 0;
        if scan.wants_value() {
            Vec::new()
        } else if self.current.starts_with('-') && !literal && !builtin.lenient {
            self.flags(builtin.flags, &scan.given)
        } else {
            builtin
                .positionals
                .get(positionals)
                .map_or_else(Vec::new, |p| self.positional(p))
        }
    }

    fn positional(&self, positional: &Positional) -> Vec<String> {
        let containers = self.config.containers.iter();
        match positional.offer {
            Offer::Nothing => Vec::new(),
            Offer::Containers => containers.map(|(n, _)| n.clone()).collect(),
            Offer::Runnable => {
                let runnable = containers.filter(|(_, c)| !c.is_data_container());
                runnable.map(|(n, _)| n.clone()).collect()
            }
            Offer::Words(words) => words.iter().map(ToString::to_string).collect(),
            Offer::Commands => {
                let mut found = self.commands();
                if self.current.starts_with('_') {
                    found.extend(self.builtins());
                }
                found
            }
        }
    }

    fn of_command(
        &self,
        name: &str,
        command: &'a MainCommand,
        words: impl Iterator<Item = &'a str>,
    ) -> Vec<String> {
        // A text with mistakes has no options; the mistake is reported when the command is run.
        let own = arguments::document(name, command)
            .ok()
            .flatten()
            .map(|d| d.option_names());
        match (command, own) {
            (MainCommand::Supervise(group), own) => self.of_group(group, own, words),
            (_, Some(options)) if self.current.starts_with('-') => options,
            _ => Vec::new(),
        }
    }

    fn of_group(
        &self,
        group: &SuperviseInfo,
        own: Option<Vec<String>>,
        words: impl Iterator<Item = &'a str>,
    ) -> Vec<String> {
        let mut scan = Scan::new();
        words.for_each(|word| {
            scan.take(SUPERVISE, word);
        });
        let mut found = Vec::new();
        if scan.open.is_some() {
            for (name, child) in &group.children {
                let tags = child.info().common.tags.iter();
                let unused = [name]
                    .into_iter()
                    .chain(tags)
                    .filter(|w| !scan.values.contains(&w.as_str()));
                found.extend(unused.cloned());
            }
            if !self.current.starts_with('-') {
                return found;
            }
        }
        match own {
            Some(options) => found.extend(options),
            None => {
                let once = SUPERVISE.iter().filter(|f| !scan.given.contains(&f.key)).copied();
                found.extend(self.flags(&once.collect::<Vec<Flag>>(), &[]));
            }
        }
        found
    }
}
