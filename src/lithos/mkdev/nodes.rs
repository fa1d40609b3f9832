//! What is made, see devices.txt of the kernel's admin guide for the numbers.

use std::path::Path;

/// A kind of entry.
pub enum What {
    /// A character device: major and minor number, for everybody.
    Device(u32, u32),
    /// A directory with this mode.
    Dir(u32),
    /// A symbolic link with this text.
    Link(&'static str),
}

/// An entry of the directory.
pub struct Node {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub what: What,
}

impl Node {
    /// Permission bits; meaningless for a link.
    pub fn mode(&self) -> u32 {
        match self.what {
            What::Device(..) => 0o666,
            What::Dir(mode) => mode,
            What::Link(_) => 0o777,
        }
    }

    /// The step as a command.
    pub fn describe(&self, dir: &Path) -> String {
        let path = dir.join(self.name);
        let path = path.display();
        match self.what {
            What::Device(major, minor) => format!("mknod -m 0666 {path} c {major} {minor}"),
            What::Dir(mode) => format!("mkdir -m {mode:04o} {path}"),
            What::Link(to) => format!("ln -s {to} {path}"),
        }
    }
}

const fn node(name: &'static str, what: What) -> Node {
    Node { name, what }
}

/// Everything, in the order it is made.
pub const ALL: &[Node] = &[
    node("null", What::Device(1, 3)),
    node("zero", What::Device(1, 5)),
    node("full", What::Device(1, 7)),
    node("random", What::Device(1, 8)),
    node("urandom", What::Device(1, 9)),
    node("tty", What::Device(5, 0)),
    node("pts", What::Dir(0o755)),
    node("shm", What::Dir(0o1777)),
    node("ptmx", What::Link("pts/ptmx")),
    node("fd", What::Link("/proc/self/fd")),
    node("stdin", What::Link("/proc/self/fd/0")),
    node("stdout", What::Link("/proc/self/fd/1")),
    node("stderr", What::Link("/proc/self/fd/2")),
];
