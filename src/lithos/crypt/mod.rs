//! `lithos_crypt`: makes secrets for containers, and opens and checks them on an operator's machine. Needs no privilege
//! and reads no configuration.

mod flags;

use std::fs;
use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use self::flags::{Key, TOOL};
use super::secrets::{self, openssh, Opened, PublicKey, Reason, Sealed};
use crate::cli::output::complain;
use crate::cli::Parsed;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(|parsed| {
        let command = parsed.positionals.first().map(String::as_str);
        match command {
            Some("encrypt") => encrypt(&parsed),
            Some("decrypt") => decrypt(&parsed),
            _ => check_key(&parsed),
        }
    })
}

fn encrypt(parsed: &Parsed<Key>) -> Result<i32, String> {
    let namespace = parsed.last(Key::Namespace).unwrap_or_default();
    if !is_namespace(namespace) {
        return Err(format!(
            "Namespace {namespace:?} may only hold letters, digits, `_`, `.` and `-`"
        ));
    }
    let key = public_key(parsed)?;
    let data = data(parsed)?;
    if data.contains('\0') {
        return Err("The secret holds a zero byte: no environment can carry it".to_string());
    }
    let secret = secrets::seal(&key, namespace, &data).map_err(|e| format!("Can't encrypt: {e}"))?;
    write(io::stdout(), &[&secret, "\n"])
}

fn decrypt(parsed: &Parsed<Key>) -> Result<i32, String> {
    let path = key_file(parsed)?;
    let fail = |e: &dyn std::fmt::Display| format!("Key file {path:?}: {e}");
    let file = fs::File::open(path).map_err(|e| fail(&e))?;
    let text = secrets::file::text(&file).map_err(|e| fail(&e))?;
    let keys = openssh::private(&text).map_err(|e| fail(&e))?;
    let value = data(parsed)?;
    let opened = first(&keys, value.trim()).map_err(|e| format!("Can't open the secret: {e}"))?;
    complain(&format!("{}:\n", opened.namespace));
    write(io::stdout(), &[&opened.secret])
}

/// Opens with the key that fits, whatever the namespace.
fn first(keys: &[secrets::PrivateKey], value: &str) -> Result<Opened, Reason> {
    let sealed = Sealed::parse(value)?;
    let fitting = keys.iter().find(|key| sealed.is_for(key.public()));
    let key = fitting.or(keys.first()).ok_or(Reason::Nothing)?;
    sealed.open(key)
}

fn check_key(parsed: &Parsed<Key>) -> Result<i32, String> {
    let key = public_key(parsed)?;
    let value = data(parsed)?;
    let sealed = Sealed::parse(value.trim()).map_err(|e| format!("Bad secret: {e}"))?;
    match sealed.is_for(&key) {
        true => Ok(0),
        false => Err("The secret is encrypted for another key".to_string()),
    }
}

fn is_namespace(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn key_file(parsed: &Parsed<Key>) -> Result<&str, String> {
    parsed
        .last(Key::File)
        .ok_or("The option --key-file is required".to_string())
}

fn public_key(parsed: &Parsed<Key>) -> Result<PublicKey, String> {
    let path = key_file(parsed)?;
    let text = fs::read_to_string(path).map_err(|e| format!("Key file {path:?}: {e}"))?;
    openssh::public(&text).map_err(|e| format!("Key file {path:?}: {e}"))
}

/// `--data`, else standard input without its last line end: words of a command line are visible to every user.
fn data(parsed: &Parsed<Key>) -> Result<Zeroizing<String>, String> {
    if let Some(data) = parsed.last(Key::Data) {
        return Ok(Zeroizing::new(data.to_string()));
    }
    let mut text = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(1 << 20).read_to_string(&mut text);
    read.map_err(|e| format!("Can't read the data from standard input: {e}"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Unlike messages, a secret that could not be written is an error whatever the reason.
fn write(mut out: impl Write, parts: &[&str]) -> Result<i32, String> {
    let mut all = || {
        for part in parts {
            out.write_all(part.as_bytes())?;
        }
        out.flush()
    };
    all()
        .map(|()| 0)
        .map_err(|e| format!("Can't write to stdout: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces() {
        for good in ["", "a", "project1.web", "A_b-c"] {
            assert!(is_namespace(good), "{good}");
        }
        for bad in ["a:b", " ", "é", "a/b", "\0"] {
            assert!(!is_namespace(bad), "{bad}");
        }
    }
}
