//! ed25519 keys and what encryption makes of them: the usual conversion to curve25519 (RFC 7748), as libsodium does.

use std::fmt;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

/// The public half: secrets are encrypted with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    /// ed25519, as in the key file.
    ed25519: [u8; 32],
    /// The same point on curve25519.
    montgomery: [u8; 32],
}

impl PublicKey {
    /// From the 32 bytes of an ed25519 public key; none when they are no point of the curve.
    pub fn new(ed25519: [u8; 32]) -> Option<PublicKey> {
        let mut y = ed25519;
        // The sign of x does not matter: u = (1 + y) / (1 - y).
        y[31] &= 0x7f;
        let point = CompressedEdwardsY(y).decompress()?;
        Some(PublicKey {
            ed25519,
            montgomery: point.to_montgomery().to_bytes(),
        })
    }

    /// The ed25519 key, 32 bytes.
    pub fn ed25519(&self) -> &[u8; 32] {
        &self.ed25519
    }

    pub(super) fn montgomery(&self) -> crypto_box::PublicKey {
        self.montgomery.into()
    }
}

/// Both halves: secrets are opened with it. Wiped from memory when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    public: PublicKey,
    montgomery: Zeroizing<[u8; 32]>,
}

impl PrivateKey {
    /// From the seed of an ed25519 key.
    pub fn from_seed(seed: &[u8; 32]) -> Option<PrivateKey> {
        let mut hash = Zeroizing::new([0; 64]);
        Sha512::new_with_prefix(seed).finalize_into((&mut *hash).into());
        let mut scalar = Zeroizing::new([0; 32]);
        scalar
            .iter_mut()
            .zip(hash.iter())
            .for_each(|(to, from)| *to = *from);
        scalar[0] &= 248;
        scalar[31] &= 63;
        scalar[31] |= 64;
        let point = EdwardsPoint::mul_base_clamped(*scalar);
        Some(PrivateKey {
            public: PublicKey::new(point.compress().to_bytes())?,
            montgomery: scalar,
        })
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn montgomery(&self) -> crypto_box::SecretKey {
        crypto_box::SecretKey::from_bytes(*self.montgomery)
    }
}

/// Never shows the secret half.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{hex, seed};
    use super::*;

    #[test]
    fn the_vector_of_the_format() {
        let key = PrivateKey::from_seed(&seed()).unwrap();
        let public = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
        assert_eq!(hex(key.public().ed25519()), public);
        assert_eq!(
            hex(key.public().montgomery().as_bytes()),
            "4701d08488451f545a409fb58ae3e58581ca40ac3f7f114698cd71deac73ca01"
        );
        assert_eq!(
            hex(key.montgomery.as_slice()),
            "3894eea49c580aef816935762be049559d6d1440dede12e6a125f1841fff8e6f"
        );
        assert!(!format!("{key:?}").contains("3894"));
    }

    #[test]
    fn the_sign_bit_is_ignored() {
        let mut bytes = *PrivateKey::from_seed(&seed()).unwrap().public().ed25519();
        let plain = PublicKey::new(bytes).unwrap();
        bytes[31] ^= 0x80;
        assert_eq!(PublicKey::new(bytes).unwrap().montgomery, plain.montgomery);
        assert_eq!(
            PublicKey::new([2; 32]).is_some(),
            CompressedEdwardsY([2; 32]).decompress().is_some()
        );
    }
}
