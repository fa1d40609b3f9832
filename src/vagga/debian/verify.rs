//! Signatures of `InRelease` files, checked by `gpgv` or `sqv` as a child process.
//!
//! Only text that was verified leaves this file: for gpgv its own output, for sqv the very bytes it was given.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustc_serialize::base64::FromBase64;

/// Debian's keys as shipped by the distribution (see `assets/keyrings/README.md`).
const SHIPPED_DEBIAN: &[u8] = include_bytes!("../../../assets/keyrings/debian-archive-keyring.gpg");

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// Why a file is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Neither gpgv nor sqv is installed.
    NoVerifier,
    /// No signature by a key of the keyring; the keys that did sign, if known.
    UnknownKey(Vec<String>),
    /// A bad signature, a malformed file, an expired key…
    Bad(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NoVerifier => {
                f.write_str("neither gpgv nor sqv is installed, so signatures cannot be verified")
            }
            Refusal::UnknownKey(keys) if keys.is_empty() => {
                f.write_str("it is not signed by any key of the keyring")
            }
            Refusal::UnknownKey(keys) => write!(f, "it is signed by {}, not in the keyring", keys.join(", ")),
            Refusal::Bad(why) => f.write_str(why),
        }
    }
}

/// A keyring to verify with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyring {
    /// Binary or armored key files, used together.
    Files(Vec<PathBuf>),
    /// Debian's keys shipped with us.
    Shipped,
}

/// The program that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verifier {
    Gpgv(PathBuf),
    Sqv(PathBuf),
}

impl Verifier {
    /// The first of gpgv and sqv in `path` (the value of `PATH`).
    pub fn find(path: &std::ffi::OsStr) -> Option<Verifier> {
        let find = |name: &str| {
            std::env::split_paths(path)
                .map(|d| d.join(name))
                .find(|p| p.is_file())
        };
        find("gpgv")
            .map(Verifier::Gpgv)
            .or_else(|| find("sqv").map(Verifier::Sqv))
    }
}

/// Verifies the clear-signed `file` and returns the signed text. `scratch` is an existing directory of the caller
/// alone for temporary files, which are removed.
pub fn verify(
    verifier: &Verifier,
    keyring: &Keyring,
    file: &Path,
    scratch: &Path,
) -> Result<Vec<u8>, Refusal> {
    let bad = |what: &str, e: std::io::Error| Refusal::Bad(format!("{what}: {e}"));
    let message = fs::read(file).map_err(|e| bad("cannot read it", e))?;
    let signed = split(&message).ok_or_else(|| Refusal::Bad("it is not one clear-signed message".into()))?;
    let dir = scratch.join("verify");
    fs::create_dir_all(&dir).map_err(|e| bad("cannot make a temporary directory", e))?;
    let result = binary_keyrings(keyring, &dir).and_then(|keys| match verifier {
        Verifier::Gpgv(program) => gpgv(program, &keys, &message, &dir),
        Verifier::Sqv(program) => sqv(program, &keys, &signed, &dir),
    });
    if let Err(e) = fs::remove_dir_all(&dir) {
        log::warn!("cannot remove {}: {e}", dir.display());
    }
    result
}

fn gpgv(program: &Path, keys: &[PathBuf], message: &[u8], dir: &Path) -> Result<Vec<u8>, Refusal> {
    let (input, output) = (dir.join("InRelease"), dir.join("Release"));
    write(&input, message)?;
    let mut args: Vec<OsString> = vec!["--status-fd".into(), "1".into(), "--homedir".into(), dir.into()];
    for key in keys {
        args.extend(["--keyring".into(), key.into()]);
    }
    args.extend(["--output".into(), (&output).into(), "--".into(), input.into()]);
    let done = run(program, &args)?;
    judge(&String::from_utf8_lossy(&done.stdout))?;
    fs::read(&output).map_err(|e| Refusal::Bad(format!("gpgv has not written the verified text: {e}")))
}

fn sqv(program: &Path, keys: &[PathBuf], signed: &Signed, dir: &Path) -> Result<Vec<u8>, Refusal> {
    let (text, signature) = (dir.join("Release"), dir.join("Release.gpg"));
    // The last line end belongs to the framework, not to the text (RFC 9580 §7).
    write(&text, signed.text.strip_suffix(b"\n").unwrap_or(&signed.text))?;
    write(&signature, &signed.signature)?;
    let mut args: Vec<OsString> = Vec::new();
    for key in keys {
        args.extend(["--keyring".into(), key.into()]);
    }
    args.extend([signature.into(), text.into()]);
    let done = run(program, &args)?;
    if done.status.success() {
        return Ok(signed.text.clone());
    }
    Err(refusal_of_sqv(&String::from_utf8_lossy(&done.stderr)))
}

/// What sqv says when it accepts no signature: `Missing key FINGERPRINT, which is needed…` for each unknown key.
fn refusal_of_sqv(stderr: &str) -> Refusal {
    let lower = stderr.to_ascii_lowercase();
    let unknown = lower.contains("missing key") || lower.contains("no key");
    if !unknown || lower.contains("bad signature") {
        let words: Vec<&str> = stderr.split_whitespace().collect();
        return Refusal::Bad(format!("sqv: {}", words.join(" ")));
    }
    let is_key = |word: &&str| word.len() >= 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = stderr.split(|c: char| !c.is_ascii_alphanumeric());
    Refusal::UnknownKey(words.filter(is_key).map(str::to_string).collect())
}

fn run(program: &Path, args: &[OsString]) -> Result<std::process::Output, Refusal> {
    Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Refusal::Bad(format!("cannot run {}: {e}", program.display())))
}

/// Reads gpgv's status lines (GnuPG doc/DETAILS): the fingerprints of good signatures, at least one.
fn judge(status: &str) -> Result<Vec<String>, Refusal> {
    let (mut good, mut unknown, mut other) = (Vec::new(), Vec::new(), None);
    let (mut texts, mut announced) = (0, false);
    for line in status.lines().filter_map(|l| l.strip_prefix("[GNUPG:] ")) {
        let mut words = line.split(' ');
        match words.next().unwrap_or_default() {
            "PLAINTEXT" => texts += 1,
            "NEWSIG" => announced = false,
            "GOODSIG" => announced = true,
            "VALIDSIG" if announced => {
                let words: Vec<&str> = words.collect();
                // Hash algorithms 1, 2 and 3 are MD5, SHA-1 and RIPEMD-160 (RFC 9580 §9.5).
                match (words.first(), words.get(7)) {
                    (Some(_), Some(&("1" | "2" | "3"))) => other = Some("the signature uses a weak digest"),
                    (Some(fingerprint), Some(_)) => good.push(fingerprint.to_string()),
                    _ => other = Some("gpgv reported a malformed signature"),
                }
            }
            "BADSIG" => {
                return Err(Refusal::Bad(
                    "BAD signature: the file was changed after it was signed".into(),
                ))
            }
            "NO_PUBKEY" => unknown.push(words.next().unwrap_or_default().to_string()),
            "EXPKEYSIG" => other = Some("the key has expired"),
            "EXPSIG" => other = Some("the signature has expired"),
            "REVKEYSIG" => other = Some("the key was revoked"),
            "NODATA" | "UNEXPECTED" | "BADARMOR" => other = Some("it has no valid OpenPGP signature"),
            _ => {}
        }
    }
    match (good.is_empty(), texts, other) {
        (false, 1, _) => Ok(good),
        (false, _, _) => Err(Refusal::Bad("it consists of several messages".into())),
        (true, _, Some(why)) => Err(Refusal::Bad(why.into())),
        (true, _, None) => Err(Refusal::UnknownKey(unknown)),
    }
}

/// A clear-signed message taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Signed {
    /// The text with dash escapes undone, ending in a line end.
    text: Vec<u8>,
    /// The armored signature.
    signature: Vec<u8>,
}

/// Takes a message apart that must be exactly one clear-signed message with nothing before or after it.
fn split(message: &[u8]) -> Option<Signed> {
    let message = std::str::from_utf8(message).ok()?;
    let mut lines = message.lines();
    if lines.next()?.trim_end() != BEGIN_MESSAGE {
        return None;
    }
    for header in lines.by_ref() {
        match header.trim_end() {
            "" => break,
            h if h.starts_with("Hash:") => {}
            _ => return None,
        }
    }
    let mut text = String::with_capacity(message.len());
    loop {
        let line = lines.next()?;
        if line.trim_end() == BEGIN_SIGNATURE {
            break;
        }
        let line = match line.strip_prefix("- ") {
            Some(escaped) => escaped,
            None if line.starts_with('-') => return None,
            None => line,
        };
        text.push_str(line.trim_end_matches([' ', '\t', '\r']));
        text.push('\n');
    }
    let mut signature = format!("{BEGIN_SIGNATURE}\n");
    loop {
        let line = lines.next()?.trim_end();
        signature.push_str(line);
        signature.push('\n');
        if line == END_SIGNATURE {
            break;
        }
    }
    let clean = lines.all(|l| l.trim().is_empty());
    clean.then(|| Signed {
        text: text.into_bytes(),
        signature: signature.into_bytes(),
    })
}

/// The text of a message *without* looking at its signature, for `trusted: true`. Plain text is taken as it is.
pub fn unverified_text(message: &[u8]) -> Vec<u8> {
    split(message).map_or_else(|| message.to_vec(), |s| s.text)
}

/// Key files as gpgv wants them: armor removed, shipped ones written out.
fn binary_keyrings(keyring: &Keyring, dir: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let files = match keyring {
        Keyring::Shipped => {
            let path = dir.join("shipped.gpg");
            write(&path, SHIPPED_DEBIAN)?;
            return Ok(vec![path]);
        }
        Keyring::Files(files) => files,
    };
    let mut all = Vec::new();
    for (nth, file) in files.iter().enumerate() {
        let read = fs::read(file).and_then(|b| Ok((b, fs::canonicalize(file)?)));
        let (bytes, path) =
            read.map_err(|e| Refusal::Bad(format!("cannot read keyring {}: {e}", file.display())))?;
        if !is_armored(&bytes) {
            all.push(path);
            continue;
        }
        let binary = dearmor(&bytes)
            .ok_or_else(|| Refusal::Bad(format!("keyring {} is not a valid armored key", file.display())))?;
        let path = dir.join(format!("key{nth}.gpg"));
        write(&path, &binary)?;
        all.push(path);
    }
    Ok(all)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    fs::File::create(path)
        .and_then(|mut f| f.write_all(bytes))
        .map_err(|e| Refusal::Bad(format!("cannot write {}: {e}", path.display())))
}

/// Whether a key file is in the text form.
pub fn is_armored(bytes: &[u8]) -> bool {
    let head = bytes.get(..4096.min(bytes.len())).unwrap_or_default();
    String::from_utf8_lossy(head).contains("-----BEGIN PGP PUBLIC KEY BLOCK-----")
}

/// Removes the armor of all key blocks of a file (RFC 9580 §6.2); the checksum is not needed here.
pub fn dearmor(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut binary = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while lines
        .by_ref()
        .any(|l| l == "-----BEGIN PGP PUBLIC KEY BLOCK-----")
    {
        let mut body = String::new();
        let mut in_headers = true;
        loop {
            let line = lines.next()?;
            if line.starts_with("-----END PGP") {
                break;
            }
            if in_headers && (line.is_empty() || line.contains(": ")) {
                in_headers = !line.is_empty();
            } else if !line.starts_with('=') {
                in_headers = false;
                body.push_str(line);
            }
        }
        binary.extend(body.from_base64().ok()?);
    }
    (!binary.is_empty()).then_some(binary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        format!("{BEGIN_MESSAGE}\nHash: SHA256\n\n{text}\n{BEGIN_SIGNATURE}\n\nabcd\n=x\n{END_SIGNATURE}\n")
    }

    #[test]
    fn sqv_names_missing_keys() {
        let key = "8338E8A2373583C10EDA78BFF58B00D8EEC9A9B9";
        let missing = format!("Missing key {key}, which is needed to verify signature.\n");
        assert_eq!(
            refusal_of_sqv(&missing),
            Refusal::UnknownKey(vec![key.to_string()])
        );
        let bad = format!("{missing}Bad signature from X:\n  Message has been manipulated\n");
        assert!(matches!(refusal_of_sqv(&bad), Refusal::Bad(why) if why.contains("manipulated")));
        assert!(matches!(refusal_of_sqv(""), Refusal::Bad(_)));
    }

    #[test]
    fn splits_one_message_only() {
        let signed = split(message("Suite: a  \n- -x").as_bytes()).unwrap();
        assert_eq!(signed.text, b"Suite: a\n-x\n");
        assert!(signed
            .signature
            .ends_with(b"abcd\n=x\n-----END PGP SIGNATURE-----\n"));
        let twice = message("a") + &message("b");
        assert!(split(twice.as_bytes()).is_none());
        assert!(split(format!("x\n{}", message("a")).as_bytes()).is_none());
        assert!(split(message("-bad").as_bytes()).is_none());
        assert!(split(b"plain").is_none());
        assert_eq!(unverified_text(b"plain"), b"plain");
    }

    const VALID: &str = "[GNUPG:] VALIDSIG FPR 2026-09-12 1 0 4 0 1 8 01 PRIMARY\n";

    #[test]
    fn judges_status_lines() {
        let good = format!("[GNUPG:] PLAINTEXT 74 0 \n[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG K name\n{VALID}");
        assert_eq!(judge(&good).unwrap(), ["FPR"]);
        let with_unknown = format!("{good}[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG K2\n[GNUPG:] NO_PUBKEY K2\n");
        assert_eq!(judge(&with_unknown).unwrap(), ["FPR"]);
        assert!(matches!(
            judge(&format!("{good}[GNUPG:] BADSIG K2 x\n")),
            Err(Refusal::Bad(_))
        ));
        assert!(judge(&format!("{good}[GNUPG:] PLAINTEXT 74 0 \n")).is_err());
        assert_eq!(
            judge("[GNUPG:] NO_PUBKEY K2\n"),
            Err(Refusal::UnknownKey(vec!["K2".into()]))
        );
        assert!(judge("").is_err());
        let expired = format!("[GNUPG:] PLAINTEXT 74 0 \n[GNUPG:] EXPKEYSIG K name\n{VALID}");
        assert_eq!(judge(&expired), Err(Refusal::Bad("the key has expired".into())));
        let sha1 = good.replace(" 8 01 ", " 2 01 ");
        assert!(judge(&sha1).is_err());
    }

    #[test]
    fn removes_armor() {
        let block = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\nAQID\nBA==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert!(is_armored(block.as_bytes()));
        assert_eq!(dearmor(block.as_bytes()).unwrap(), [1, 2, 3, 4]);
        assert_eq!(dearmor(block.repeat(2).as_bytes()).unwrap().len(), 8);
        let bare = block.replace("Version: x\n\n", "\n");
        assert_eq!(dearmor(bare.as_bytes()).unwrap(), [1, 2, 3, 4]);
        assert!(dearmor(b"nothing").is_none());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-A-Z ]{0,20}\n?[a-z\n -]{0,60}") {
            let _ = split(text.as_bytes());
            let _ = judge(&text);
            let _ = dearmor(text.as_bytes());
        }
    }
}
