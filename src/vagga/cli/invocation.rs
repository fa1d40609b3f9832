//! How vagga was called: as `vagga`, or by the name of a command's symlink.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::vagga::failure::{exit, Failure};

/// The name of the symlink vagga was called by, if it was called by one.
///
/// `vagga` is vagga itself, as are `/proc/self/exe` and paths whose last part begins with `vagga_`.
pub fn link_name(program: &OsStr) -> Option<String> {
    if program == "/proc/self/exe" {
        return None;
    }
    let name = Path::new(program).file_name()?;
    let with_slash = program.as_bytes().contains(&b'/');
    let own = name == "vagga" || (with_slash && name.as_bytes().starts_with(b"vagga_"));
    (!own).then(|| name.to_string_lossy().into_owned())
}

/// The arguments as text. Errors: exit 122, naming the first that is not UTF-8.
pub fn utf8(args: impl Iterator<Item = std::ffi::OsString>) -> Result<Vec<String>, Failure> {
    let text = |(n, arg): (usize, std::ffi::OsString)| {
        arg.into_string().map_err(|arg| {
            let message = format!("argument {} is not valid UTF-8: {arg:?}", n + 1);
            Failure::new(exit::USAGE, message)
        })
    };
    args.enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn names() {
        for own in [
            "vagga",
            "/usr/bin/vagga",
            "./vagga_dev",
            "/proc/self/exe",
            "/",
            "",
        ] {
            assert_eq!(link_name(OsStr::new(own)), None, "{own}");
        }
        for (program, name) in [
            ("tool", "tool"),
            (".vagga/.cmd/tool", "tool"),
            ("vagga_dev", "vagga_dev"),
            ("vagga2", "vagga2"),
        ] {
            assert_eq!(link_name(OsStr::new(program)).as_deref(), Some(name));
        }
    }

    #[test]
    fn arguments_must_be_utf8() {
        let args = || ["a".into(), OsString::from_vec(vec![0xff])].into_iter();
        assert_eq!(utf8(args().take(1)), Ok(vec!["a".to_string()]));
        let e = utf8(args()).unwrap_err();
        assert_eq!(
            (e.exit, e.message.as_str()),
            (122, "argument 2 is not valid UTF-8: \"\\xFF\"")
        );
    }
}
