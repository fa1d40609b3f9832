//! The command line of `lithos_crypt`.

use crate::cli::{Command, Flag, Manual, Offer, Tool};

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `--key-file`
    File,
    /// `--data`
    Data,
    /// `--namespace`
    Namespace,
}

const PUBLIC: Flag<Key> = Flag::new(
    Key::File,
    &["-k", "--key-file"],
    "Public key of OpenSSH (ssh-ed25519), as in a .pub file",
)
.takes("PUB");
const PRIVATE: Flag<Key> = Flag::new(
    Key::File,
    &["-i", "--key-file"],
    "Private key file of OpenSSH, without a password; may hold several keys",
)
.takes("PRIV");
const SECRET: Flag<Key> = Flag::new(
    Key::Data,
    &["-d", "--data"],
    "The encrypted secret; without this option it is read from standard input",
)
.takes("SECRET");
const TEXT: Flag<Key> = Flag::new(
    Key::Data,
    &["-d", "--data"],
    "What to encrypt; without this option it is read from standard input, without its last line end",
)
.takes("TEXT");
const NAMESPACE: Flag<Key> = Flag::new(
    Key::Namespace,
    &["-n", "--namespace"],
    "Only sandboxes that list this namespace can use the secret (default: the empty namespace)",
)
.takes("NS");

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    commands: &[
        Command {
            name: "encrypt",
            about: "Print a secret that only the owner of the key can open",
            flags: &[PUBLIC, TEXT, NAMESPACE],
            positionals: &[],
        },
        Command {
            name: "decrypt",
            about: "Print the namespace on standard error and the secret on standard output, for debugging",
            flags: &[PRIVATE, SECRET],
            positionals: &[],
        },
        Command {
            name: "check-key",
            about: "Succeed if the secret was encrypted with this key, without opening it",
            flags: &[PUBLIC, SECRET],
            positionals: &[],
        },
    ],
    version_names: &["-V", "--version"],
    names_version: true,
    values: &[("PUB", Offer::Files), ("PRIV", Offer::Files)],
    usage_exit: 1,
    manual: Manual {
        section: 1,
        description: &[
            "Makes the values of `secret-environ` in container files. They are safe to publish: only a machine with the \
             private key of a sandbox can open them, and only for the namespaces that the sandbox lists.",
            "No privilege and no configuration is needed. Words of a command line are visible to all users of a machine \
             while the program runs; a secret read from standard input is not.",
        ],
        lists: &[(
            "EXIT STATUS",
            &[
                ("0", "Done; for check-key: the key fits."),
                ("1", "Anything else, wrong usage included."),
            ],
        )],
        see_also: &["ssh-keygen(1)", "lithos_check(8)"],
    },
    ..Tool::new("lithos_crypt", "encrypts secrets for containers, and opens and checks them")
};
