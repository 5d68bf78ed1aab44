//! Public keys, and the algorithms that each takes.

use std::fmt;

use jsonwebtoken::DecodingKey;

/// What we verify. `none` and the symmetric algorithms are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    EdDsa,
}

use Algorithm::{EdDsa, Es256, Rs256, Rs384, Rs512};

/// A key that verifies tokens.
#[derive(Clone)]
pub struct PublicKey {
    key: DecodingKey,
    algorithms: &'static [Algorithm],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key for RS256, ES256 or EdDSA")]
pub struct UnusableKey;

/// RFC 7518 §3.3: 2048 bits or more.
const MIN_RSA_BITS: usize = 2048;
/// An uncompressed point on P-256 (SEC 1 §2.3.3).
const P256_POINT_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Rs256),
            "RS384" => Some(Rs384),
            "RS512" => Some(Rs512),
            "ES256" => Some(Es256),
            "EdDSA" => Some(EdDsa),
            _ => None,
        }
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(it: Algorithm) -> Self {
        match it {
            Rs256 => Self::RS256,
            Rs384 => Self::RS384,
            Rs512 => Self::RS512,
            Es256 => Self::ES256,
            EdDsa => Self::EdDSA,
        }
    }
}

impl PublicKey {
    /// Reads a PEM document. Line breaks may be written as `\n`, as they are in environment files.
    pub fn from_pem(text: &str) -> Result<Self, UnusableKey> {
        let text = text.trim().replace("\\n", "\n");
        if !text.starts_with("-----BEGIN PUBLIC KEY") && !text.starts_with("-----BEGIN RSA PUBLIC")
        {
            return Err(UnusableKey);
        }
        let pem = text.as_bytes();
        let raw = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
        if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            let modulus = key.try_get_as_bytes().ok().and_then(modulus);
            let bits = modulus.map_or(0, significant_bits);
            return Self::rsa(bits >= MIN_RSA_BITS, key);
        }
        if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            return Self::p256(raw(&key) == P256_POINT_BYTES, key);
        }
        match DecodingKey::from_ed_pem(pem) {
            Ok(key) => Self::ed25519(raw(&key) == ED25519_BYTES, key),
            Err(_) => Err(UnusableKey),
        }
    }

    fn new(
        usable: bool,
        key: DecodingKey,
        algorithms: &'static [Algorithm],
    ) -> Result<Self, UnusableKey> {
        usable.then_some(Self { key, algorithms }).ok_or(UnusableKey)
    }

    fn rsa(usable: bool, key: DecodingKey) -> Result<Self, UnusableKey> {
        Self::new(usable, key, &[Rs256, Rs384, Rs512])
    }

    fn p256(usable: bool, key: DecodingKey) -> Result<Self, UnusableKey> {
        Self::new(usable, key, &[Es256])
    }

    fn ed25519(usable: bool, key: DecodingKey) -> Result<Self, UnusableKey> {
        Self::new(usable, key, &[EdDsa])
    }

    pub(crate) fn from_rsa_parts(modulus: &[u8], exponent: &[u8]) -> Result<Self, UnusableKey> {
        let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Self::rsa(significant_bits(modulus) >= MIN_RSA_BITS, key)
    }

    pub(crate) fn from_p256_point(x: &[u8], y: &[u8]) -> Result<Self, UnusableKey> {
        let point = [&[4], x, y].concat();
        Self::p256(point.len() == P256_POINT_BYTES, DecodingKey::from_ec_der(&point))
    }

    pub(crate) fn from_ed25519_bytes(x: &[u8]) -> Result<Self, UnusableKey> {
        Self::ed25519(x.len() == ED25519_BYTES, DecodingKey::from_ed_der(x))
    }

    /// Narrows the key to the one algorithm that its document names.
    pub(crate) fn only(self, algorithm: Algorithm) -> Result<Self, UnusableKey> {
        let position = self.algorithms.iter().position(|it| *it == algorithm);
        let algorithms = position.map(|at| &self.algorithms[at..=at]).ok_or(UnusableKey)?;
        Ok(Self { algorithms, ..self })
    }

    pub(crate) fn takes(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    pub(crate) const fn key(&self) -> &DecodingKey {
        &self.key
    }
}

/// Leading zeros, in a document or added by DER, make no key longer.
fn significant_bits(number: &[u8]) -> usize {
    let first = number.iter().position(|it| *it != 0).unwrap_or(number.len());
    let significant = &number[first..];
    significant.first().map_or(0, |it| significant.len() * 8 - it.leading_zeros() as usize)
}

/// The first number of an `RSAPublicKey` (RFC 8017, A.1.1), in DER.
fn modulus(der: &[u8]) -> Option<&[u8]> {
    let sequence = contents(der, 0x30)?;
    contents(sequence, 0x02)
}

/// What a DER value of this tag holds, at the beginning of `der`.
fn contents(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ ..=0x7f => (usize::from(short), rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = bytes.iter().try_fold(0_usize, |length, byte| {
                length.checked_mul(256).map(|it| it | usize::from(*byte))
            })?;
            (length, rest)
        }
    };
    (*found == tag).then_some(())?;
    rest.get(..length)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}
