//! Which version of its files a container was started from. The identity of a container is its instance configuration
//! alone: an edit of these files restarts nothing, it is only shown.

use serde_derive::{Deserialize, Serialize};

/// What the files of a container say, as numbers (see `config::read_marked`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The container file in the image.
    pub container: u64,
    /// The file of the sandbox.
    pub sandbox: u64,
    /// The master file.
    pub master: u64,
}

impl Origin {
    /// The files that say something else now.
    pub fn edited(&self, now: &Origin) -> Vec<&'static str> {
        let files = [
            ("container file", self.container, now.container),
            ("sandbox file", self.sandbox, now.sandbox),
            ("master file", self.master, now.master),
        ];
        let edited = files.into_iter().filter(|(_, then, now)| then != now);
        edited.map(|(name, _, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edited_files_are_named() {
        let then = Origin {
            container: 1,
            sandbox: u64::MAX,
            master: 3,
        };
        assert!(then.edited(&then).is_empty());
        let now = Origin {
            container: 2,
            master: 4,
            ..then
        };
        assert_eq!(then.edited(&now), ["container file", "master file"]);
        let text = serde_json::to_string(&then).unwrap();
        assert_eq!(serde_json::from_str::<Origin>(&text).unwrap(), then);
    }
}
