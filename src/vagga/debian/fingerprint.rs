//! Fingerprints of OpenPGP keys (RFC 9580 §5.5.4), to see that a key server sent the key that was asked for.

use rustc_serialize::hex::ToHex;
use sha2::{Digest, Sha256};

/// Tags of public key and public subkey packets.
const PUBLIC_KEYS: [u8; 2] = [6, 14];

/// Upper-case fingerprints of all keys and subkeys in a binary key file; what cannot be read is left out.
pub fn fingerprints(binary: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = binary;
    while let Some((tag, body, after)) = packet(rest) {
        if PUBLIC_KEYS.contains(&tag) {
            all.extend(fingerprint(body));
        }
        rest = after;
    }
    all
}

/// Whether one of `fingerprints` is the key `wanted`: a fingerprint or its end (a key id), with or without `0x`.
pub fn matches(fingerprints: &[String], wanted: &str) -> bool {
    let wanted = normalize(wanted);
    fingerprints.iter().any(|f| f.ends_with(&wanted))
}

/// Upper case, without spaces and `0x`.
pub fn normalize(key: &str) -> String {
    let hex: String = key.split_whitespace().collect();
    let hex = hex
        .strip_prefix("0x")
        .or_else(|| hex.strip_prefix("0X"))
        .unwrap_or(&hex);
    hex.to_ascii_uppercase()
}

/// One packet: its tag, its body and what follows (RFC 9580 §4.2). `None` at the end or at nonsense.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (tag, length, rest) = if first & 0x40 != 0 {
        let (length, rest) = new_length(rest)?;
        (first & 0x3f, length, rest)
    } else {
        let size = 1usize << (first & 3);
        if size > 4 {
            return None;
        }
        (
            (first >> 2) & 0xf,
            big_endian(rest.get(..size)?),
            rest.get(size..)?,
        )
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes.first()? {
        first @ 0..=191 => Some((usize::from(first), bytes.get(1..)?)),
        first @ 192..=223 => {
            let second = usize::from(*bytes.get(1)?);
            Some((((usize::from(first) - 192) << 8) + second + 192, bytes.get(2..)?))
        }
        255 => Some((big_endian(bytes.get(1..5)?), bytes.get(5..)?)),
        // Partial lengths are not allowed for keys.
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, b| (n << 8) | usize::from(*b))
}

fn fingerprint(body: &[u8]) -> Option<String> {
    match body.first()? {
        4 => {
            let mut bytes = vec![0x99];
            bytes.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
            bytes.extend(body);
            Some(sha1(&bytes).as_slice().to_hex().to_ascii_uppercase())
        }
        6 => {
            let mut digest = Sha256::new();
            digest.update([0x9b]);
            digest.update(u32::try_from(body.len()).ok()?.to_be_bytes());
            digest.update(body);
            Some(digest.finalize().as_slice().to_hex().to_ascii_uppercase())
        }
        _ => None,
    }
}

/// SHA-1 (FIPS 180-4), which version 4 fingerprints are defined by. Not for anything else.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        sha1_block(&mut state, block);
    }
    let mut digest = [0; 20];
    for (out, word) in digest.chunks_exact_mut(4).zip(state) {
        out.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn sha1_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words: Vec<u32> = block
        .chunks_exact(4)
        .map(|c| c.iter().fold(0, |n, b| (n << 8) | u32::from(*b)))
        .collect();
    for i in 16..80 {
        let at = |back: usize| words.get(i - back).copied().unwrap_or(0);
        let word = (at(3) ^ at(8) ^ at(14) ^ at(16)).rotate_left(1);
        words.push(word);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (i, word) in words.iter().enumerate() {
        let (f, k) = match i {
            0..=19 => ((b & c) | (!b & d), 0x5a82_7999_u32),
            20..=39 => (b ^ c ^ d, 0x6ed9_eba1),
            40..=59 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(k)
            .wrapping_add(*word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sha1_vectors() {
        assert_eq!(sha1(b"abc").to_hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha1(b"").to_hex(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(
            sha1(&[b'a'; 1_000]).to_hex(),
            "291e9a6c66994949b57ba5e650361e98fc36b1ba"
        );
        assert_eq!(
            sha1(&[b'a'; 56]).to_hex(),
            "c2db330f6083854c99d4b5bfb6e8f29f201be699"
        );
        assert_eq!(
            sha1(&[b'a'; 64]).to_hex(),
            "0098ba824b5c16427bd7a1122a5a442a25ec644d"
        );
    }

    #[test]
    fn sha1_at_the_ends_of_blocks() {
        assert_eq!(
            sha1(&[b'a'; 55]).to_hex(),
            "c1c8bbdc22796e28c0e15163d20899b65621d65a"
        );
        assert_eq!(
            sha1(&[b'a'; 63]).to_hex(),
            "03f09f5b158a7a8cdad920bddc29b81c18a551f5"
        );
        assert_eq!(
            sha1(&[b'a'; 119]).to_hex(),
            "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"
        );
    }

    #[test]
    fn knows_the_keys_of_debian() {
        let keys = fingerprints(include_bytes!(
            "../../../assets/keyrings/debian-archive-keyring.gpg"
        ));
        // Debian Stable Release Key (13/trixie).
        assert!(matches(&keys, "41587F7DB8C774BCCF131416762F67A0B2C39DE4"));
        assert!(matches(&keys, "0x762f67a0b2c39de4"));
        assert!(matches(
            &keys,
            "4158 7F7D B8C7 74BC CF13 1416 762F 67A0 B2C3 9DE4"
        ));
        assert!(!matches(&keys, "0000000000000001"));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fingerprints(&bytes);
            let _ = sha1(&bytes);
        }
    }
}
