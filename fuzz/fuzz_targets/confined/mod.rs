//! A directory to unpack into, with a witness beside it that nothing may touch.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use orchestration::sys::path::Root;

pub struct Confined(PathBuf);

impl Confined {
    /// A fresh one, the same for every input of this process.
    pub fn new() -> Confined {
        let dir = std::env::temp_dir().join(format!("fuzz-archive-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("root")).unwrap();
        fs::write(dir.join("secret"), "secret").unwrap();
        Confined(dir)
    }

    /// Where to unpack.
    pub fn root(&self) -> Root {
        Root::open(self.0.join("root")).unwrap()
    }

    /// Panics when something was written outside of the root.
    pub fn check(self) {
        let secret = self.0.join("secret");
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(&self.0).unwrap().count(), 2);
        fs::remove_dir_all(&self.0).unwrap();
    }
}
