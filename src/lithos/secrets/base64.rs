//! Standard base64 with padding, exactly as an encoder writes it (RFC 4648 §4, §3.5): no line ends, no other alphabet,
//! no stray bits. What it decodes is wiped from memory when dropped.

use rustc_serialize::base64::{FromBase64, ToBase64, STANDARD};
use zeroize::Zeroizing;

/// The bytes of a text; none if an encoder would not have written it so.
pub fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(text.from_base64().ok()?);
    let again = Zeroizing::new(bytes.to_base64(STANDARD));
    (again.as_str() == text).then_some(bytes)
}

/// The text of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    bytes.to_base64(STANDARD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_an_encoder_writes() {
        assert_eq!(decode("YQ==").unwrap().as_slice(), b"a");
        assert_eq!(decode("").unwrap().as_slice(), b"");
        for bad in ["YQ", "YQ=", "YR==", "YQ==\n", "Y Q==", "-_8=", "YQ===", "=", "é"] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(bytes: Vec<u8>) {
            let again = decode(&encode(&bytes)).unwrap();
            prop_assert_eq!(again.as_slice(), bytes);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = decode(&text);
        }
    }
}
