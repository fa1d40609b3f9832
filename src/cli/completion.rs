//! Completion scripts of a [`Tool`] for bash, zsh and fish. They hold everything they offer; the tool is never run.

mod bash;
mod fish;
mod zsh;

use super::{Flag, Offer, Tool, Value};

/// The script of a shell; none for a shell that is not known.
pub fn script<K: Copy + PartialEq>(tool: &Tool<K>, shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash::script(tool)),
        "zsh" => Some(zsh::script(tool)),
        "fish" => Some(fish::script(tool)),
        _ => None,
    }
}

impl<K: Copy + PartialEq> Tool<K> {
    /// What is offered for the value of an option; none when it takes no value.
    fn offer_of(&self, flag: &Flag<K>) -> Option<(&'static str, Offer)> {
        let (Value::One(name) | Value::Many(name)) = flag.value else {
            return None;
        };
        let known = self.values.iter().find(|(of, _)| *of == name);
        Some((name, known.map_or(Offer::Nothing, |(_, offer)| *offer)))
    }
}

/// A text between single quotes, for shells that have no escape inside them.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{MANY, ONE};
    use super::*;
    use std::process::{Command, Stdio};

    /// What bash offers for the last of these words.
    fn offered<K: Copy + PartialEq>(tool: &Tool<K>, words: &[&str]) -> Vec<String> {
        let script = bash::script(tool);
        let line: Vec<String> = words.iter().map(|w| quote(w)).collect();
        let ask = format!(
            "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_{}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            line.join(" "),
            words.len() - 1,
            tool.name
        );
        let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|l| !l.is_empty()).map(String::from).collect()
    }

    #[test]
    fn bash_offers_options_values_and_words() {
        assert_eq!(offered(&ONE, &["sample_one", "--c"]), ["--config"]);
        assert_eq!(
            offered(&ONE, &["sample_one", "--"]),
            ["--config", "--quiet", "--help", "--version"]
        );
        assert!(offered(&ONE, &["sample_one", "-C", "/et"]).contains(&"/etc".to_string()));
        assert_eq!(offered(&ONE, &["sample_one", ""]), [""; 0]);
        assert_eq!(offered(&MANY, &["sample_many", "l"]), ["lock"]);
        assert_eq!(
            offered(&MANY, &["sample_many", "unlock", "--"]),
            ["--quiet", "--help"]
        );
        assert_eq!(offered(&MANY, &["sample_many", "--v"]), ["--version"]);
    }

    #[test]
    fn names_of_a_directory_are_offered_without_their_end() {
        let dir = tempdir();
        for name in ["shop.yaml", "blog.yaml", "x.bak"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        let offer = Offer::NamesIn(
            Box::leak(dir.to_str().unwrap().to_string().into_boxed_str()),
            ".yaml",
        );
        let positionals = [super::super::Positional {
            offer,
            ..ONE.positionals[0]
        }];
        let tool = Tool {
            positionals: Box::leak(Box::new(positionals)),
            ..ONE
        };
        assert_eq!(offered(&tool, &["sample_one", ""]), ["blog", "shop"]);
        assert_eq!(offered(&tool, &["sample_one", "--quiet", "s"]), ["shop"]);
        assert_eq!(offered(&tool, &["sample_one", "-C", "f", "s"]), ["shop"]);
        assert_eq!(offered(&tool, &["sample_one", "a", "s"]), [""; 0]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    fn tempdir() -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("cli-completion-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        dir
    }

    /// Shells that are installed find no mistake in the scripts.
    #[test]
    fn scripts_can_be_read() {
        for shell in ["bash", "zsh", "fish"] {
            for text in [script(&ONE, shell), script(&MANY, shell)] {
                let text = text.unwrap();
                assert!(
                    text.contains("quiet") && text.contains("Say nothing") == (shell != "bash"),
                    "{text}"
                );
                let checked = Command::new(shell)
                    .args(["-n", "-c", &text])
                    .stderr(Stdio::inherit())
                    .status();
                assert!(checked.map_or(true, |s| s.success()), "{shell}: {text}");
            }
        }
        assert_eq!(script(&ONE, "tcsh"), None);
    }
}
