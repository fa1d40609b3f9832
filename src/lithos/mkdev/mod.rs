//! `lithos_mkdev DIR`: the device nodes that containers get as `/dev`. All of them are made, or none.

mod flags;
mod nodes;

use std::io;
use std::path::{Path, PathBuf};

use self::flags::TOOL;
use crate::cli::output::print;
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(|parsed| {
        let dir = parsed.positionals.first().map(PathBuf::from).unwrap_or_default();
        let done = make(&dir)?;
        print(&done)
            .map(|()| 0)
            .map_err(|e| format!("Can't write to stdout: {e}"))
    })
}

/// Makes the directory with its parents and everything in it; the steps, one a line.
///
/// Errors: what could not be made; then nothing that was made remains.
fn make(dir: &Path) -> Result<String, String> {
    let dir = std::path::absolute(dir).map_err(|e| format!("{dir:?}: {e}"))?;
    let made = parents(&dir)?;
    let undo = |e| {
        made.iter().rev().for_each(|path| {
            // Somebody may use it by now.
            let _ = std::fs::remove_dir(path);
        });
        e
    };
    let mut steps: Vec<String> = made.iter().map(|p| format!("mkdir {}", p.display())).collect();
    steps.extend(within(&dir).map_err(undo)?);
    Ok(steps.join("\n") + "\n")
}

/// Makes the directories that are missing, outermost first.
fn parents(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|p| !p.exists()).collect();
    let mut made = Vec::new();
    for path in missing.into_iter().rev() {
        if let Err(e) = std::fs::create_dir(path) {
            made.iter().rev().for_each(|path: &PathBuf| {
                let _ = std::fs::remove_dir(path);
            });
            return Err(format!("Can't make the directory {path:?}: {e}"));
        }
        made.push(path.to_path_buf());
    }
    Ok(made)
}

/// Makes everything in the directory, beneath its descriptor.
fn within(dir: &Path) -> Result<Vec<String>, String> {
    let root = Root::open(dir).map_err(|e| format!("Can't open {dir:?}: {e}"))?;
    if let Some(name) = nodes::ALL.iter().map(|n| n.name).find(|name| root.exists(name)) {
        return Err(format!(
            "{:?} exists already: nothing was made. Use an empty directory",
            dir.join(name)
        ));
    }
    let mut done: Vec<&nodes::Node> = Vec::new();
    for node in nodes::ALL {
        if let Err(e) = node.make(&root) {
            done.iter().rev().for_each(|node| node.remove(&root));
            return Err(format!("Can't make {:?}: {e}{}", dir.join(node.name), hint(&e)));
        }
        done.push(node);
    }
    Ok(done.iter().map(|node| node.describe(dir)).collect())
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => " (only root of the host may make devices)",
        _ => "",
    }
}

impl nodes::Node {
    fn make(&self, root: &Root) -> io::Result<()> {
        let made = match self.what {
            nodes::What::Device(major, minor) => {
                root.mknod(self.name, libc::S_IFCHR | 0o666, libc::makedev(major, minor))
            }
            nodes::What::Dir(mode) => root.mkdir(self.name, mode),
            nodes::What::Link(to) => return root.symlink(to, self.name),
        };
        // The umask of the caller took bits away.
        let chmod = made.and_then(|()| root.chmod(self.name, self.mode()));
        chmod.inspect_err(|e| {
            if e.kind() != io::ErrorKind::AlreadyExists {
                self.remove(root);
            }
        })
    }

    fn remove(&self, root: &Root) {
        // The error that led here is the one to report.
        let _ = match root.lstat(self.name).map(|s| s.kind()) {
            Ok(Kind::Dir) => root.rmdir(self.name),
            Ok(_) => root.unlink(self.name),
            Err(e) => Err(e),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_remains_after_an_error() {
        let top = std::env::temp_dir().join(format!("lithos-mkdev-{}", std::process::id()));
        std::fs::create_dir(&top).unwrap();
        std::fs::create_dir(top.join("there")).unwrap();
        std::fs::write(top.join("there/tty"), "").unwrap();
        let error = make(&top.join("there")).unwrap_err();
        assert!(error.contains("there/tty\" exists already"), "{error}");
        assert_eq!(std::fs::read_dir(top.join("there")).unwrap().count(), 1);
        assert!(make(&top.join("there/tty/x")).is_err());
        std::fs::write(top.join("file"), "").unwrap();
        assert!(make(&top.join("file")).is_err());
        std::fs::remove_dir_all(top).unwrap();
    }
}
