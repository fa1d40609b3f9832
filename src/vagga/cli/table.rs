//! The one table of options and built-in commands. Parser, help, listing, completion and manual page are made of it.

use super::builtins;
pub use crate::cli::{Arity, Value};

/// What an option means; the parser returns these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Key {
    Version,
    Env,
    UseEnv,
    IgnoreOwnerCheck,
    NoImageDownload,
    NoBuild,
    NoVersionCheck,
    IsolateNetwork,
    NoPrerequisites,
    ContainersOnly,
    RunMulti,
    Only,
    Exclude,
    Force,
    Writable,
    Short,
    DebugVersioning,
    DumpVersionData,
    Containers,
    All,
    BuiltIns,
    Zsh,
    NoAliases,
    Verbose,
    Tmp,
    Old,
    Unused,
    AtLeast,
    Transient,
    Volumes,
    UnusedVolumes,
    Cache,
    Layers,
    NoIptables,
    HostPart,
    Pid,
    MaxSize,
    Json,
    Everything,
    Global,
    DryRun,
    Pretty,
    Tag,
    File,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Against,
    AllowMultiple,
    Output,
    Strict,
    LocalOnly,
    UserOnly,
    /// Option of a command that this version does not have.
    Other,
}

/// What completion offers for a positional argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Nothing: the shell offers files.
    Nothing,
    /// Names of containers.
    Containers,
    /// Names of containers that programs can run in.
    Runnable,
    /// Names of commands and built-ins.
    Commands,
    /// These words.
    Words(&'static [&'static str]),
}

/// An option of vagga.
pub type Flag = crate::cli::Flag<Key>;
/// A positional argument of vagga.
pub type Positional = crate::cli::Positional<Offer>;

/// What a built-in does, for the dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Job {
    Build,
    Run,
    Clean,
    Layers,
    List,
    Help,
    VersionHash,
    BaseDir,
    RelativeWorkDir,
    Doctor,
    DumpConfig,
    Hardlink,
    InitStorageDir,
    PackImage,
    PushImage,
    Verify,
    Schema,
    UpdateSymlinks,
    OverlaySupport,
    BuildShell,
    Check,
    Complete,
    CompletionScript,
    Manual,
    ToLithos,
    ExportOci,
    Network,
    Capsule,
    CreateNetns,
    DestroyNetns,
    RunInNetns,
    /// Not in this version.
    Missing,
}

/// One built-in command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Name, begins with an underscore.
    pub name: &'static str,
    /// What it does.
    pub job: Job,
    /// First line of the help and text of listings.
    pub about: &'static str,
    /// Options besides `--help`.
    pub flags: &'static [Flag],
    /// Positional arguments in order.
    pub positionals: &'static [Positional],
    /// Everything after the first positional argument is literal.
    pub stops: bool,
    /// Surplus arguments, options included, are ignored.
    pub lenient: bool,
    /// Works without a project.
    pub anywhere: bool,
    /// Completion offers it as soon as an underscore is typed; the others once a letter follows.
    pub offered: bool,
}

impl BuiltIn {
    /// The built-in of this name.
    pub fn find(name: &str) -> Option<&'static BuiltIn> {
        builtins::ALL.iter().find(|b| b.name == name)
    }

    /// The text of `about`, marked when this version lacks the command.
    pub fn describe(&self) -> String {
        match self.job {
            Job::Missing => format!("{} (not available in this version)", self.about),
            _ => self.about.to_string(),
        }
    }
}

/// `--no-image-download`
pub const NO_IMAGE_DOWNLOAD: Flag = Flag::new(
    Key::NoImageDownload,
    &["--no-image-download"],
    "Never download ready images, build them here",
);
/// `--no-build`
pub const NO_BUILD: Flag = Flag::new(
    Key::NoBuild,
    &["--no-build"],
    "Never build; fail with exit code 29 when a container is outdated or missing",
);
/// `--no-version-check`
pub const NO_VERSION_CHECK: Flag = Flag::new(
    Key::NoVersionCheck,
    &["--no-version-check"],
    "Use the last built version of a container, whatever the configuration says now; implies --no-build",
);
/// `--only` of supervised groups.
pub const ONLY: Flag = Flag::new(
    Key::Only,
    &["--only"],
    "Only run the processes with these names or tags",
)
.takes_many("PROCESS_NAME");
/// `--exclude` of supervised groups.
pub const EXCLUDE: Flag = Flag::new(
    Key::Exclude,
    &["--exclude"],
    "Don't run the processes with these names or tags",
)
.takes_many("PROCESS_NAME");

/// Options of a supervised group without `options` text.
pub const SUPERVISE: &[Flag] = &[ONLY, EXCLUDE, NO_IMAGE_DOWNLOAD, NO_BUILD, NO_VERSION_CHECK];

/// Options that stand before the command.
pub const GLOBAL: &[Flag] = &[
    Flag::new(Key::Version, &["-V", "--version"], "Show the version and exit"),
    Flag::new(
        Key::Env,
        &["-E", "--env", "--environ"],
        "Set a variable for the command; without a value: drop the variable that -e or VAGGAENV_NAME would set",
    )
    .takes("NAME=VALUE"),
    Flag::new(
        Key::UseEnv,
        &["-e", "--use-env"],
        "Pass a variable of the caller's environment to the command",
    )
    .takes("VAR"),
    Flag::new(
        Key::IgnoreOwnerCheck,
        &["--ignore-owner-check"],
        "Don't check that the project directory belongs to the caller",
    ),
    NO_IMAGE_DOWNLOAD,
    NO_BUILD,
    NO_VERSION_CHECK,
    Flag::new(
        Key::IsolateNetwork,
        &["--no-net", "--no-network", "--isolate-network"],
        "Run the command with nothing but a loopback network interface",
    ),
    Flag::new(
        Key::NoPrerequisites,
        &["--no-prerequisites"],
        "Run only the named commands, not their prerequisites",
    )
    .offered(0),
    Flag::new(
        Key::ContainersOnly,
        &["--containers-only"],
        "Build the containers that the commands need, run nothing",
    )
    .offered(0),
    Flag::new(
        Key::RunMulti,
        &["-m", "--run-multi"],
        "Run several commands one after the other, each without arguments",
    )
    .takes_many("CMD")
    .offered(0),
];

/// What stands behind the global options.
pub const GLOBAL_POSITIONALS: &[Positional] = &[
    Positional {
        name: "command",
        arity: Arity::Optional,
        help: "A command of the project or a built-in command; none lists the commands",
        offer: Offer::Commands,
    },
    Positional {
        name: "args",
        arity: Arity::Rest,
        help: "Arguments of the command",
        offer: Offer::Nothing,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_options_well_formed() {
        let mut names: Vec<&str> = builtins::ALL.iter().map(|b| b.name).collect();
        assert!(names.iter().all(|n| n.starts_with('_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), builtins::ALL.len());
        let lists = builtins::ALL.iter().map(|b| b.flags);
        for flags in lists.chain([GLOBAL, SUPERVISE]) {
            let all: Vec<&str> = flags.iter().flat_map(|f| f.names).copied().collect();
            for name in &all {
                let long = name.starts_with("--") && name.len() > 3;
                let short = name.len() == 2 && name.starts_with('-') && *name != "--";
                assert!(long || short, "{name}");
                assert_eq!(all.iter().filter(|n| *n == name).count(), 1, "{name} twice");
                assert!(!["-h", "--help"].contains(name), "the parser adds --help");
            }
        }
    }

    #[test]
    fn only_the_last_positional_is_a_list() {
        for b in builtins::ALL {
            let lists = b
                .positionals
                .iter()
                .rev()
                .skip(1)
                .filter(|p| p.arity == Arity::Rest);
            assert_eq!(lists.count(), 0, "{}", b.name);
        }
    }
}
