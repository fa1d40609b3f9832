//! The command line of `lithos_clean`.

use crate::cli::{Flag, Manual, Tool};
use crate::lithos::options;

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Key {
    Master,
    Used,
    Unused,
    Delete,
    Days,
    Min,
    Max,
    Recent,
    Logs,
    Verbose,
}

const FLAGS: &[Flag<Key>] = &[
    options::config(Key::Master),
    Flag::new(
        Key::Used,
        &["--used"],
        "List the images that are in use (default)",
    ),
    Flag::new(Key::Unused, &["--unused"], "List the images that are not in use"),
    Flag::new(
        Key::Delete,
        &["--delete-unused"],
        "Delete the images that --unused lists",
    ),
    Flag::new(
        Key::Days,
        &["-D", "--history-days"],
        "Versions that ended within so many days are in use",
    )
    .takes("DAYS"),
    Flag::new(
        Key::Min,
        &["--vmin", "--versions-min"],
        "So many versions are in use even if they are older (default: 0)",
    )
    .takes("NUM"),
    Flag::new(
        Key::Max,
        &["--vmax", "--versions-max"],
        "No more versions are in use even if they are newer (default: 1000)",
    )
    .takes("NUM"),
    Flag::new(
        Key::Recent,
        &["--keep-recent"],
        "Directories that were made or changed within this time are spared, e.g. 1h or 2days",
    )
    .takes("DELTA"),
    Flag::new(
        Key::Logs,
        &["--clean-logs"],
        "Also list or delete rotated files of the history without a version that is in use",
    ),
    options::verbose(Key::Verbose, "Print each deletion with the time"),
];

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    flags: FLAGS,
    values: options::VALUES,
    manual: Manual {
        section: 8,
        description: &[
            "An image is in use if an entry of a current processes file names it, if a container of it runs, or if the history \
             of the sandbox (config-log-dir) names it in a version that is kept. With used-images-list the names in that \
             file replace the history. The current version is always kept.",
            "Candidates are directories exactly image-dir-levels below image-dir. Hidden directories, backups and \
             symbolic links are never touched, and sandboxes with auto-clean: false are skipped.",
            "An image directory is left alone as a whole, with a message, if it is not certain what is in use: sandboxes that \
             share it disagree on auto-clean or image-dir-levels, there is neither history nor list, or a needed part \
             of them cannot be read.",
        ],
        lists: &[(
            "EXIT STATUS",
            &[
                ("0", "Done."),
                ("1", "A configuration file cannot be used, or a directory was left alone because of an error."),
                ("2", "Wrong usage, or a directory could not be listed or cleaned."),
            ],
        )],
        see_also: &["lithos_tree(8)", "lithos_switch(8)"],
    },
    ..Tool::new("lithos_clean", "lists and deletes images that are no longer used")
};
